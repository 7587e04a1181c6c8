// The processes that a soak and the random kills hurt: two replicas of each role.

export const SOAK_PROCESSES = [
  { name: 'poll-1', roles: 'poll,import' },
  { name: 'poll-2', roles: 'poll' },
  { name: 'archive-1', roles: 'archive' },
  { name: 'archive-2', roles: 'archive' },
  { name: 'watch-1', roles: 'watch,dispatch' },
  { name: 'watch-2', roles: 'watch,dispatch' },
  { name: 'deliver-1', roles: 'deliver' },
  { name: 'deliver-2', roles: 'deliver' },
];
