#!/usr/bin/env node
// The command line: one file a command in src/cli/.
import { runCli } from './cli/program.js';

process.exitCode = await runCli(process.argv);
