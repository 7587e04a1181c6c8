// The audit over real things: for the command line and for the role maintain.
import type { AuditParts } from '../../jobs/audit.js';
import { lakeCopies } from './connections.js';
import type { LookParts } from './looks.js';
import { tableSourceOf } from './table-source.js';

const IDS_AT_ONCE = 1_000;

export function auditParts(parts: LookParts): AuditParts {
  const { config, connections, deployment, clock, log } = parts;
  const patients = tableSourceOf(parts);
  return {
    source: deployment.source,
    prefix: config.settings.KAFKA_PREFIX,
    mapping: config.vitals,
    idStep: config.idStep,
    attributes: config.attributes,
    timeZone: config.settings.HOSPITAL_TIMEZONE,
    rds: connections.rds(),
    knownPatients: async (ids) => {
      const known = new Set<string>();
      for (let i = 0; i < ids.length; i += IDS_AT_ONCE)
        for (const { id } of await patients.patientsById(ids.slice(i, i + IDS_AT_ONCE))) known.add(id);
      return known;
    },
    kafka: connections.kafka(),
    lake: connections.lake(),
    copies: lakeCopies(parts),
    clock,
    log,
  };
}
