// Texts as hostile columns hold them, cheaply: fast-check's own `binary` unit builds a table of all code points first.
import fc from 'fast-check';

/** Any UTF-16 units, also halves of pairs, control characters and quotes. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  const unit = fc.oneof(
    fc.integer({ min: 0, max: 0xffff }),
    fc.constantFrom(0, 10, 13, 34, 39, 60, 92, 0xd83e, 0xdec0),
  );
  return fc.array(unit, { maxLength }).map((units) => String.fromCharCode(...units));
}
