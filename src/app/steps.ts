// The named steps of the protocols in production: nothing happens there. Fault tests give the root their own.
import type { OnStep } from '../domain/ports.js';

export const noStep: OnStep = () => undefined;
