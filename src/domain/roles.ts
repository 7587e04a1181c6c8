// The roles a process can run. The index is part of the default metrics port, so new roles go to the end.

export const ROLES = ['poll', 'archive', 'watch', 'dispatch', 'deliver', 'import', 'maintain', 'console'] as const;
export type RoleName = (typeof ROLES)[number];
