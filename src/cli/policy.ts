// `wardwatch policy check`: what policy.yaml says, or what is wrong with it.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function policyCommand(context: CliContext): Command {
  const check = new Command('check')
    .description('name every mistake of policy.yaml, or print what it puts in force')
    .option('--file <yaml>', 'another file than the one that WARDWATCH_POLICY names')
    .addHelpText(
      'after',
      `
A running deployment takes a changed file within seconds: check it before you put it in place.

Examples:
  $ wardwatch policy check
  $ wardwatch policy check --file new-policy.yaml`,
    )
    .action(async (options: { file?: string }) => {
      const { runPolicyCheck } = await import('./run-policy.js');
      const { processEnvironment } = await import('../config/load.js');
      context.exit(runPolicyCheck(options.file, context.out, processEnvironment(context.envFile())));
    });
  return new Command('policy').description('when alerts begin and end, and who is told').addCommand(check);
}
