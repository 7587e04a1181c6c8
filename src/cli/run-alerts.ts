// What `wardwatch alerts` does. Patient data goes to standard output, at the request of the person who types, and nowhere else.
import { createBase } from '../app/base.js';
import type { Base } from '../app/connections.js';
import { deploymentOf } from '../app/deployment.js';
import { SayError } from '../app/explain.js';
import { lookAtRedis } from '../app/looks.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { deskOver, hospitalTime } from '../app/wire-desk.js';
import { duration, ParseError } from '../config/parsers.js';
import { ConfigError } from '../config/problems.js';
import { type AlertDesk, type Asker, DeskNotReady, DeskRefused, type Done } from '../domain/alert-desk.js';
import { LedgerLostError } from '../domain/ledger.js';
import { saidTime } from '../domain/said-time.js';
import type { SayTime } from '../domain/story.js';
import type { AckOptions, ListOptions, RedriveOptions, SilenceOptions, WhyOptions } from './alerts.js';
import { detailsText, explanationText, listText, recipientText, silenceText } from './alerts-text.js';
import type { CliContext } from './program.js';
import { whoAsks } from './run-request.js';

const DAY_MS = 86_400_000;
const LEAST_MS = 60_000;
const US_PER_MS = 1_000;

interface Asking {
  readonly desk: AlertDesk;
  readonly asker: Asker;
  readonly base: Base;
  /** In the hospital's zone. */
  readonly time: SayTime;
}

export async function listAlerts({ json, ward, patient, severity }: ListOptions, context: CliContext): Promise<number> {
  return atDesk(context, async ({ desk, asker, time }) => {
    const filter = { ...(ward && { ward }), ...(patient && { patientId: patient }), ...(severity && { severity }) };
    const list = await desk.list(asker, filter);
    context.out(json ? JSON.stringify(list) : listText(list, time));
    return EXIT.ok;
  });
}

export async function showAlert(alert: string, json: boolean, context: CliContext): Promise<number> {
  return atDesk(context, async ({ desk, asker, time }) => {
    const details = await desk.show(asker, alert);
    context.out(json ? JSON.stringify(details) : detailsText(details, time));
    return EXIT.ok;
  });
}

export async function whyAlert(alert: string, json: boolean, context: CliContext): Promise<number> {
  return atDesk(context, async ({ desk, asker, time }) => {
    const why = await desk.why(asker, alert);
    context.out(json ? JSON.stringify(why) : explanationText(why, time));
    return EXIT.ok;
  });
}

export async function whyRecipient(
  recipient: string,
  said: string,
  { around, json }: WhyOptions,
  context: CliContext,
): Promise<number> {
  const aroundMs = durationOf('--around', around, 1_000, DAY_MS);
  return atDesk(context, async ({ desk, asker, base, time }) => {
    const us = saidTime(said, base.config.settings.HOSPITAL_TIMEZONE, base.clock.nowMs());
    if (us === undefined)
      throw new SayError(`${said} is no time: 03:12, '2026-11-24 03:12' (the hospital's clock), or an instant with Z`);
    const ms = us / US_PER_MS;
    const why = await desk.whyRecipient(asker, { recipient, fromMs: ms - aroundMs, toMs: ms + aroundMs });
    context.out(json ? JSON.stringify(why) : recipientText(why, time));
    return EXIT.ok;
  });
}

export async function ackAlert(alert: string, options: AckOptions, context: CliContext): Promise<number> {
  const forMs = options.for === undefined ? undefined : durationOf('--for', options.for, LEAST_MS, DAY_MS);
  return atDesk(context, async ({ desk, asker }) => {
    const done = await desk.acknowledge(asker, { alert, note: options.note, ...(forMs !== undefined && { forMs }) });
    say(
      done,
      `${alert} is acknowledged by ${asker.user}: no reminders and no escalation until it ends or worsens`,
      context,
    );
    return EXIT.ok;
  });
}

export async function silenceAlerts(options: SilenceOptions, context: CliContext): Promise<number> {
  const forMs = durationOf('--for', options.for, LEAST_MS, 7 * DAY_MS);
  const { patient, ward, attribute, reason } = options;
  const matcher = { ...(patient && { patientId: patient }), ...(ward && { ward }), ...(attribute && { attribute }) };
  return atDesk(context, async ({ desk, asker, time }) => {
    const { silence, ...done } = await desk.silence(asker, { matcher, forMs, reason });
    say(done, 'silenced', context);
    context.out(silenceText(silence, time));
    return EXIT.ok;
  });
}

export async function unsilenceAlerts(silence: string, context: CliContext): Promise<number> {
  return atDesk(context, async ({ desk, asker }) => {
    say(await desk.unsilence(asker, silence), `silence ${silence} has ended`, context);
    return EXIT.ok;
  });
}

/** 1 where one of them was neither held back nor given up. */
export async function redriveNotifications(
  ids: readonly string[],
  { held, dead }: RedriveOptions,
  context: CliContext,
): Promise<number> {
  const ways = [ids.length > 0, held === true, dead === true].filter((one) => one).length;
  if (ways !== 1) throw new SayError('say which: ids, or --held, or --dead');
  return atDesk(context, async ({ desk, asker }) => {
    const redriven = await desk.redrive(asker, ids.length > 0 ? ids : held ? 'HELD' : 'DEAD');
    for (const one of redriven)
      context.out(
        one.redriven
          ? `✓ ${one.notificationId} is tried again`
          : `✗ ${one.notificationId} is neither held back nor given up`,
      );
    if (redriven.length === 0) context.out('✓ there is none');
    return redriven.every((one) => one.redriven) ? EXIT.ok : EXIT.failed;
  });
}

/** What is written is done, if not yet in force: dispatch takes it when it is there again. */
function say({ inForce }: Done, text: string, context: CliContext): void {
  context.out(
    inForce
      ? `✓ ${text}`
      : `! ${text} as soon as dispatch has taken it from doctors-queue, which it has not within 5 s: does a worker with the role dispatch run?`,
  );
}

async function atDesk(context: CliContext, work: (asking: Asking) => Promise<number>): Promise<number> {
  const base = createBase({
    envFile: context.envFile(),
    needs: ['KAFKA_BROKERS', 'REDIS_URL'],
    needsSource: true,
    quiet: true,
  });
  const time = hospitalTime(base.config);
  try {
    return await withConnections(base, async (connections) => {
      const problems = await lookAtRedis({ ...base, connections, deployment: deploymentOf(base.config), write: false });
      if (problems.length > 0) throw new ConfigError(problems);
      const desk = deskOver(base, connections);
      try {
        return await work({ desk, asker: { user: whoAsks(), via: 'command-line' }, base, time });
      } finally {
        await desk.close();
      }
    });
  } catch (error) {
    if (error instanceof DeskRefused) {
      context.out(`✗ ${error.message}`);
      return EXIT.failed;
    }
    if (error instanceof DeskNotReady || error instanceof LedgerLostError)
      throw new SayError(
        'the views of the alerts are not there or being rebuilt: a worker with the role dispatch or deliver rebuilds them; ask again',
      );
    throw error;
  }
}

function durationOf(option: string, said: string, leastMs: number, mostMs: number): number {
  try {
    return duration(leastMs, mostMs)(said);
  } catch (error) {
    if (error instanceof ParseError) throw new SayError(`${option} ${said} ${error.message}`);
    throw error;
  }
}
