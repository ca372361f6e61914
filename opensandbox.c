/* opensandbox.c - runs untrusted commands: from the shell, or over HTTP. Options in, a role out. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "cli.h"
#include "init.h"
#include "log.h"
#include "options.h"
#include "server.h"
#include "start.h"

#ifndef OPENSANDBOX_VERSION
#define OPENSANDBOX_VERSION "0.1.0"
#endif

int
main(int argc, char **argv)
{
	struct options options;

	start_seal();
	/* A descriptor of 0 to 2 that is closed would become some file of ours, and the command's output go there. */
	int null = open("/dev/null", O_RDWR);
	while (null >= 0 && null <= 2)
		null = dup(null);
	if (null >= 0)
		close(null);
	if (options_parse(&options, argc, argv, stderr))
		return 2;
	if (options.command == COMMAND_RUN || options.command == COMMAND_SERVE || options.command == COMMAND_CHECK) {
		int status, split = init_split(&status);
		if (split)
			return split < 0 ? log_failure("fork", split) : status;
	}
	switch (options.command) {
	case COMMAND_RUN:
		return cli_run(&options);
	case COMMAND_SERVE:
		return server_run(&options);
	case COMMAND_CHECK:
		return check_run(&options);
	case COMMAND_HEALTH:
		return server_health(&options);
	case COMMAND_SESSIONS:
		return server_sessions(&options);
	case COMMAND_HELP:
		options_usage(stdout);
		return fflush(stdout) ? 1 : 0;
	case COMMAND_VERSION:
		printf("opensandbox %s\n", OPENSANDBOX_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	return 2;
}
