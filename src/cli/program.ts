// All commands. Each brings only its words here; what it does is imported when it runs, so that --help answers at once.
import { Command, CommanderError } from 'commander';
import { alertsCommand } from './alerts.js';
import { auditCommand } from './audit.js';
import { backtestCommand } from './backtest.js';
import { deadCommand } from './dead.js';
import { doctorCommand } from './doctor.js';
import { hiveCommand } from './hive.js';
import { importCommand } from './import.js';
import { lakeCommand } from './lake.js';
import { policyCommand } from './policy.js';
import { positionCommand } from './position.js';
import { schemaCommand } from './schema.js';
import { sourceCommand } from './source.js';
import { thresholdsCommand } from './thresholds.js';
import { topicsCommand } from './topics.js';
import { workerCommand } from './worker.js';

const CANNOT_RUN = 2;

/** Where commands write. Replaced by tests. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** What every command is given. `exit` says how the process is to end. */
export interface CliContext extends Streams {
  readonly envFile: () => string | undefined;
  readonly exit: (code: number) => void;
}

const EXAMPLES = `
Examples:
  $ wardwatch doctor                                  look at everything, change nothing
  $ wardwatch schema                                  create the Kafka topics
  $ wardwatch worker --roles all                      run the whole pipeline in one process
  $ wardwatch --env-file .env worker --roles watch    one role, settings from a file

Settings come from the environment; ops/docs/configuration.md lists them.`;

const STANDARD: Streams = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
};

/** Resolves with the exit code: 0 well, 1 what was asked for failed or found something wrong, 2 could not run. */
export async function runCli(argv: readonly string[], streams: Streams = STANDARD): Promise<number> {
  let code = 0;
  const program = new Command('wardwatch')
    .description("Watches the vital signs of a hospital's patients and e-mails the doctors.")
    .option('--env-file <path>', 'read settings from this file too; the environment wins')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.out(text.trimEnd()),
      writeErr: (text) => streams.err(text.trimEnd()),
    });
  const context: CliContext = {
    ...streams,
    envFile: () => program.opts<{ envFile?: string }>().envFile,
    exit: (next) => {
      code = next;
    },
  };
  const commands = [
    workerCommand,
    schemaCommand,
    importCommand,
    thresholdsCommand,
    policyCommand,
    topicsCommand,
    sourceCommand,
    positionCommand,
    deadCommand,
    alertsCommand,
    lakeCommand,
    auditCommand,
    backtestCommand,
    hiveCommand,
    doctorCommand,
  ];
  for (const make of commands) inherit(program.addCommand(make(context)), program);
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : CANNOT_RUN;
    const { explain } = await import('../app/explain.js');
    streams.err(explain(error));
    return CANNOT_RUN;
  }
}

/** Sub-commands made elsewhere have neither our streams nor our exit. */
function inherit(command: Command, parent: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(parent);
    inherit(child, parent);
  }
}
