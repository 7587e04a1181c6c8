// The part of parquetjs-lite 0.8.7 that parquet-encoder.ts uses; the package brings no types.
declare module 'parquetjs-lite' {
  export interface FieldOptions {
    readonly type: string;
    readonly optional: boolean;
    readonly compression: 'SNAPPY' | 'UNCOMPRESSED';
    readonly statistics?: false;
  }

  export class ParquetSchema {
    constructor(fields: Record<string, FieldOptions>);
  }

  export interface ColumnChunkMetadata {
    readonly meta_data: { statistics: { distinct_count: unknown } | null };
  }

  /** lib/codec, per encoding. */
  export interface Codec {
    readonly encodeValues: (type: string, values: unknown, options: object) => Uint8Array;
  }

  export interface Sink {
    write(bytes: Uint8Array, done: (error?: Error) => void): void;
    end(done: (error?: Error) => void): void;
  }

  export class ParquetWriter {
    static openStream(
      schema: ParquetSchema,
      sink: Sink,
      options: { useDataPageV2: boolean; pageIndex: boolean; rowGroupSize: number },
    ): Promise<ParquetWriter>;
    rowBuffer: object;
    readonly envelopeWriter: {
      readonly rowGroups: readonly { readonly columns: readonly ColumnChunkMetadata[] }[];
      writeFooter(userMetadata: object): Promise<void>;
    };
    setMetadata(key: string, value: string): void;
    close(): Promise<void>;
  }
}
