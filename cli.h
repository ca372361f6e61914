/* cli.h - `opensandbox --run`: one command in a sandbox, with the caller's own stdin, stdout and stderr */
#ifndef CLI_H
#define CLI_H

#include "options.h"

/* Runs it all, launcher included. Returns the exit status of the process. */
int cli_run(const struct options *options);

#endif
