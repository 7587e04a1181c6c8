// The named steps of every protocol (data-path.md): fault tests end the process at each. A step that is called is a row here.

export const STEPS = {
  poll: ['poll.own', 'poll.state-read', 'poll.page-read', 'poll.evidence', 'poll.before-commit', 'poll.after-commit'],
  'source-command': [
    'command.begun',
    'command.chains-passed',
    'command.rows-read',
    'command.before-commit',
    'command.after-commit',
  ],
  archive: [
    'archive.own',
    'archive.rolled-forward',
    'archive.buffered',
    'archive.staged',
    'archive.verified',
    'archive.before-record',
    'archive.after-record',
    'archive.published-one',
    'archive.published',
  ],
  fold: ['fold.before-checkpoint', 'fold.after-checkpoint', 'fold.deleted-one'],
  watch: ['watch.own', 'watch.state-read', 'watch.evaluated', 'watch.before-commit', 'watch.after-commit'],
  import: [
    'import.snapshot',
    'import.staged',
    'import.before-record',
    'import.after-record',
    'import.before-switch',
    'import.after-switch',
  ],
  dispatch: [
    'dispatch.decided',
    'dispatch.recorded',
    'dispatch.ledger',
    'dispatch.job',
    'dispatch.emitted',
    'dispatch.offset',
  ],
  'follow-up': [
    'follow-up.decided',
    'follow-up.recorded',
    'follow-up.ledger',
    'follow-up.job',
    'follow-up.emitted',
    'follow-up.done',
  ],
  deliver: [
    'deliver.covered',
    'deliver.covers-recorded',
    'deliver.claimed',
    'deliver.attempt-recorded',
    'deliver.published',
    'deliver.outcome-recorded',
    'deliver.covers-settled',
    'deliver.settled',
  ],
} as const;

export type Step = (typeof STEPS)[keyof typeof STEPS][number];
