/* opensandbox.c - runs untrusted commands: from the shell, or over HTTP. Options in, a role out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "cli.h"
#include "options.h"
#include "server.h"

#ifndef OPENSANDBOX_VERSION
#define OPENSANDBOX_VERSION "0.1.0"
#endif

int
main(int argc, char **argv)
{
	struct options options;

	if (options_parse(&options, argc, argv, stderr))
		return 2;
	switch (options.command) {
	case COMMAND_RUN:
		return cli_run(&options);
	case COMMAND_SERVE:
		return server_run(&options);
	case COMMAND_CHECK:
		return check_run(&options);
	case COMMAND_HEALTH:
		return server_health(&options);
	case COMMAND_HELP:
		options_usage(stdout);
		return fflush(stdout) ? 1 : 0;
	case COMMAND_VERSION:
		printf("opensandbox %s\n", OPENSANDBOX_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	return 2;
}
