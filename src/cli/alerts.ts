// `wardwatch alerts list|show|why|ack|silence|unsilence|redrive`: what alarms now, who was told and why, and what people do about it.
import { Command, InvalidArgumentError, Option } from 'commander';
import type { CliContext } from './program.js';

const SEVERITIES = ['high', 'medium', 'low'] as const;

export interface ListOptions {
  readonly ward?: string;
  readonly patient?: string;
  readonly severity?: (typeof SEVERITIES)[number];
  readonly json?: boolean;
}

export interface WhyOptions {
  readonly around: string;
  readonly json?: boolean;
}

export interface AckOptions {
  readonly note: string;
  readonly for?: string;
}

export interface SilenceOptions {
  readonly patient?: string;
  readonly ward?: string;
  readonly attribute?: string;
  readonly for: string;
  readonly reason: string;
}

export interface RedriveOptions {
  readonly held?: boolean;
  readonly dead?: boolean;
}

export function alertsCommand(context: CliContext): Command {
  return new Command('alerts')
    .description('what alarms now, who was told and why; acknowledge, silence, send again')
    .addCommand(listCommand(context))
    .addCommand(showCommand(context))
    .addCommand(whyCommand(context))
    .addCommand(ackCommand(context))
    .addCommand(silenceCommand(context))
    .addCommand(unsilenceCommand(context))
    .addCommand(redriveCommand(context));
}

function listCommand(context: CliContext): Command {
  return new Command('list')
    .description('open alerts, silences in force, and notifications that a person has to look at; no names')
    .option('--ward <name>', 'of one ward')
    .option('--patient <id>', 'of one patient')
    .addOption(new Option('--severity <severity>', 'of one severity').choices(SEVERITIES))
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ wardwatch alerts list --ward 4B')
    .action(async (options: ListOptions) => {
      const { listAlerts } = await import('./run-alerts.js');
      context.exit(await listAlerts(options, context));
    });
}

function showCommand(context: CliContext): Command {
  return new Command('show')
    .description('one alert whole, patient data included, and its notifications')
    .argument('<alert>', 'the reference in the e-mail, or an episode id')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ wardwatch alerts show 7F3K2Q')
    .action(async (alert: string, options: { json?: boolean }) => {
      const { showAlert } = await import('./run-alerts.js');
      context.exit(await showAlert(alert, options.json === true, context));
    });
}

function whyCommand(context: CliContext): Command {
  return new Command('why')
    .description('who was told of an alert, who was not, and why; or what a recipient got, or did not get, at a time')
    .argument('<alert|recipient>', 'a reference or episode id; with a time: a topic, or an address that reads one')
    .argument('[time]', "03:12, '2026-11-24 03:12' (the hospital's clock), or an instant that ends in Z")
    .option('--around <duration>', 'with a time: so long before and after it', '15m')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
It reads the decisions on alert-deliveries with the reasons that were recorded when they were made, and decides nothing itself.
Asked for an address, it also asks SNS which topics that address reads today.

Examples:
  $ wardwatch alerts why 7F3K2Q
  $ wardwatch alerts why dr.x@hospital.example 03:12`,
    )
    .action(async (subject: string, time: string | undefined, options: WhyOptions) => {
      const { whyAlert, whyRecipient } = await import('./run-alerts.js');
      context.exit(
        time === undefined
          ? await whyAlert(subject, options.json === true, context)
          : await whyRecipient(subject, time, options, context),
      );
    });
}

function ackCommand(context: CliContext): Command {
  return new Command('ack')
    .description(
      'you have it in hand: no reminders and no escalation until the alert ends, worsens, or the time is over',
    )
    .argument('<alert>', 'the reference in the e-mail, or an episode id')
    .option('--note <text>', 'for the record; name no patient', oneLine, '')
    .option('--for <duration>', 'shorter than the policy allows')
    .addHelpText('after', '\nExample:\n  $ wardwatch alerts ack 7F3K2Q --note "at the bedside"')
    .action(async (alert: string, options: AckOptions) => {
      const { ackAlert } = await import('./run-alerts.js');
      context.exit(await ackAlert(alert, options, context));
    });
}

function silenceCommand(context: CliContext): Command {
  return new Command('silence')
    .description('send nothing about a patient, a ward, an attribute, or what fits all that is named; watching goes on')
    .option('--patient <id>', 'of this patient')
    .option('--ward <name>', 'in this ward, as the patients table names it')
    .option('--attribute <name>', 'of this vital sign')
    .requiredOption('--for <duration>', 'how long; the policy caps it by severity')
    .requiredOption('--reason <text>', 'why, for the record; name no patient', oneLine)
    .addHelpText(
      'after',
      `
When it ends, every alert that fits and is still open is told at once.

Example:
  $ wardwatch alerts silence --ward 4B --attribute spo2 --for 30m --reason "probes are being changed"`,
    )
    .action(async (options: SilenceOptions) => {
      const { silenceAlerts } = await import('./run-alerts.js');
      context.exit(await silenceAlerts(options, context));
    });
}

function unsilenceCommand(context: CliContext): Command {
  return new Command('unsilence')
    .description('end a silence now: what it held back and is still open is told at once')
    .argument('<silence>', 'its id, from alerts list')
    .addHelpText('after', '\nExample:\n  $ wardwatch alerts unsilence k3x2lq7p5v2h6m4n3b2c5d6f7a')
    .action(async (silence: string) => {
      const { unsilenceAlerts } = await import('./run-alerts.js');
      context.exit(await unsilenceAlerts(silence, context));
    });
}

function redriveCommand(context: CliContext): Command {
  return new Command('redrive')
    .description('try again to send what was held back or given up, after its cause was mended')
    .argument('[notification...]', 'their ids, from alerts list')
    .option('--held', 'all that are held back')
    .option('--dead', 'all that were given up')
    .addHelpText(
      'after',
      '\nExamples:\n  $ wardwatch alerts redrive --held\n  $ wardwatch alerts redrive k3x2lq7p5v2h6m4n3b2c5d6f7a',
    )
    .action(async (ids: readonly string[], options: RedriveOptions) => {
      const { redriveNotifications } = await import('./run-alerts.js');
      context.exit(await redriveNotifications(ids, options, context));
    });
}

function oneLine(text: string): string {
  if (/[\r\n]/.test(text)) throw new InvalidArgumentError('It must be one line.');
  return text;
}
