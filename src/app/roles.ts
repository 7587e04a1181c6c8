// One row a role: which services must be looked at before it begins, and how its actor is made of real things.
import type { Actor } from '../../jobs/actor.js';
import type { RoleName } from '../domain/roles.js';
import { createConsoleActor } from './console-actor.js';
import type { ServiceName } from './gates.js';
import type { LookParts } from './looks.js';
import { wireDeliver, wireDispatch } from './wire-alerts.js';
import { wireArchive } from './wire-archive.js';
import { wireImport } from './wire-import.js';
import { wireMaintain } from './wire-maintain.js';
import { wirePoll } from './wire-poll.js';
import { wireWatch } from './wire-watch.js';

export interface RoleWiring {
  readonly needs: readonly ServiceName[];
  readonly create: (parts: LookParts) => Actor;
}

export const WIRING: Readonly<Record<RoleName, RoleWiring>> = {
  poll: { needs: ['mysql', 'kafka', 'redis'], create: wirePoll },
  archive: { needs: ['kafka', 'lake'], create: wireArchive },
  watch: { needs: ['kafka', 'redis'], create: wireWatch },
  dispatch: { needs: ['kafka', 'redis'], create: wireDispatch },
  deliver: { needs: ['kafka', 'redis'], create: wireDeliver },
  import: { needs: ['redis', 'lake'], create: wireImport },
  maintain: { needs: ['mysql', 'kafka', 'redis', 'lake'], create: wireMaintain },
  console: { needs: ['redis'], create: createConsoleActor },
};
