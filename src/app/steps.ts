// The named steps of the protocols in production: nothing happens there. Fault tests build their own root.
import type { OnStep } from '../domain/ports.js';

export const noStep: OnStep = () => undefined;
