/* options.h - the command line: one table for the parser, the usage text and the manual */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "limit.h"
#include "root.h"

enum command { COMMAND_RUN, COMMAND_SERVE, COMMAND_CHECK, COMMAND_HEALTH, COMMAND_SESSIONS,
	COMMAND_HELP, COMMAND_VERSION };
enum log_format { LOG_TEXT, LOG_JSON, LOG_NONE };

enum { OPTIONS_LIST_MAX = 256 };

/* Values of an option that may be given more than once. They point into argv. */
struct option_list {
	const char *values[OPTIONS_LIST_MAX];
	size_t len;
};

struct options {
	enum command command;
	/* run, sessions */
	char **argv;			/* the command, ended by NULL */
	/* run */
	struct limits limits;		/* 0: not given */
	struct option_list env;
	const char *cwd, *result_file;
	int result_fd;			/* -1 */
	/* run and serve */
	const char *network, *rootfs;
	struct option_list bind;
	struct root_bind binds[ROOT_BINDS_MAX];	/* parsed */
	bool no_userns, no_cgroup;
	/* serve */
	uint64_t port, max_runs /* 0: by memory */, max_sessions, max_connections, max_body_kb, drain_s;
	struct limits ceilings;		/* 0: none */
	struct option_list listen, allow_host;
	const char *state_dir, *token_file, *node_id, *log, *listen_mode;
	enum log_format log_format;
	bool keep_sessions, no_token, no_reuse;
	/* check */
	bool json;
};

/* 0; or -1 after one line on `errors` that names what is wrong. Touches argv: values of --bind are cut in place. */
int options_parse(struct options *options, int argc, char **argv, FILE *errors);
void options_usage(FILE *out);

#endif
