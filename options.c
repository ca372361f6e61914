/* options.c - parses the command line by a table. Knows no option's meaning beyond its kind and range. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

enum kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER, KIND_INT, KIND_LIST, KIND_LIMIT, KIND_CEILING };

/* Which commands take an option: bits. */
enum { FOR_RUN = 1 << COMMAND_RUN, FOR_SERVE = 1 << COMMAND_SERVE, FOR_CHECK = 1 << COMMAND_CHECK,
	FOR_HEALTH = 1 << COMMAND_HEALTH, FOR_SESSIONS = 1 << COMMAND_SESSIONS };

struct option_spec {
	/* Three texts: its name; what the usage text calls its value, empty for a flag; its help. */
	const char *name;
	uint8_t kind, commands;
	uint16_t offset;		/* in struct options; of a limit: its id */
	uint32_t least, greatest;	/* KIND_NUMBER */
};

#define AT(member) offsetof(struct options, member)
#define LIMIT(id, text) { .name = text "\0", .kind = KIND_LIMIT, .commands = FOR_RUN, .offset = id }
#define CEILING(id, text) { .name = text "\0", .kind = KIND_CEILING, .commands = FOR_SERVE, .offset = id }

static const struct option_spec specs[] = {
	LIMIT(LIMIT_TIME, "time"), LIMIT(LIMIT_WALL_TIME, "wall-time"), LIMIT(LIMIT_MEM, "mem"),
	LIMIT(LIMIT_FSIZE, "fsize"), LIMIT(LIMIT_NOFILE, "nofile"), LIMIT(LIMIT_STACK, "stack"),
	LIMIT(LIMIT_PROCS, "procs"), LIMIT(LIMIT_DISK, "disk"), LIMIT(LIMIT_OUTPUT, "output"),
	{ "env\0K=V\0" "add a variable to its environment",
		KIND_LIST, FOR_RUN, AT(env), 0, 0 },
	{ "cwd\0DIR\0" "working directory in the sandbox (default: /)",
		KIND_TEXT, FOR_RUN, AT(cwd), 0, 0 },
	{ "result\0FILE\0" "write the result there, as JSON",
		KIND_TEXT, FOR_RUN, AT(result_file), 0, 0 },
	{ "result-fd\0N\0" "the same, to an open descriptor",
		KIND_INT, FOR_RUN, AT(result_fd), 0, 1048576 },
	{ "network\0none|host\0" "network of a sandbox; for serve: what may be given (default: none)",
		KIND_TEXT, FOR_RUN | FOR_SERVE, AT(network), 0, 0 },
	{ "rootfs\0DIR\0" "system directories from DIR, not from the host",
		KIND_TEXT, FOR_RUN | FOR_SERVE | FOR_CHECK, AT(rootfs), 0, 0 },
	{ "bind\0SRC[:DST][:rw]\0" "show a directory or file of the host in the sandbox",
		KIND_LIST, FOR_RUN | FOR_SERVE, AT(bind), 0, 0 },
	{ "no-userns\0\0" "use no user namespace",
		KIND_FLAG, FOR_RUN | FOR_SERVE | FOR_CHECK, AT(no_userns), 0, 0 },
	{ "no-cgroup\0\0" "use no cgroups: limits are per process then",
		KIND_FLAG, FOR_RUN | FOR_SERVE | FOR_CHECK, AT(no_cgroup), 0, 0 },
	{ "no-reuse\0\0" "throw each sandbox away after one run",
		KIND_FLAG, FOR_SERVE, AT(no_reuse), 0, 0 },
	{ "port\0N\0" "TCP port (default: 8080; 0: any free one)",
		KIND_NUMBER, FOR_SERVE | FOR_HEALTH, AT(port), 0, 65535 },
	{ "listen\0ADDR\0" "address to listen on, or unix:PATH (default: 127.0.0.1 and ::1)",
		KIND_LIST, FOR_SERVE | FOR_HEALTH, AT(listen), 0, 0 },
	{ "listen-mode\0MODE\0" "mode of a unix: socket, in octal (default: 0600)",
		KIND_TEXT, FOR_SERVE, AT(listen_mode), 0, 0 },
	{ "state-dir\0DIR\0" "where sessions are kept (default: /tmp)",
		KIND_TEXT, FOR_SERVE | FOR_SESSIONS, AT(state_dir), 0, 0 },
	{ "keep-sessions\0\0" "keep sessions over a stop, for the next start",
		KIND_FLAG, FOR_SERVE, AT(keep_sessions), 0, 0 },
	{ "token-file\0FILE\0" "bearer tokens, one a line; read again on SIGHUP (or: OPENSANDBOX_TOKEN)",
		KIND_TEXT, FOR_SERVE, AT(token_file), 0, 0 },
	{ "no-token\0\0" "listen beyond loopback: anybody can then run commands",
		KIND_FLAG, FOR_SERVE, AT(no_token), 0, 0 },
	{ "allow-host\0NAME\0" "a further name that the Host field may have",
		KIND_LIST, FOR_SERVE, AT(allow_host), 0, 0 },
	{ "max-runs\0N\0" "runs at once (default: 64, fewer on a small host)",
		KIND_NUMBER, FOR_SERVE, AT(max_runs), 1, 1000 },
	{ "max-sessions\0N\0" "sessions at once (default: 1024)",
		KIND_NUMBER, FOR_SERVE, AT(max_sessions), 1, 20000 },
	{ "max-connections\0N\0" "connections at once (default: 10240)",
		KIND_NUMBER, FOR_SERVE, AT(max_connections), 1, 100000 },
	{ "max-body\0KB\0" "largest JSON body (default: 16384)",
		KIND_NUMBER, FOR_SERVE, AT(max_body_kb), 1, 1 << 20 },
	CEILING(LIMIT_TIME, "max-time"), CEILING(LIMIT_WALL_TIME, "max-wall-time"),
	CEILING(LIMIT_MEM, "max-mem"), CEILING(LIMIT_FSIZE, "max-fsize"),
	CEILING(LIMIT_NOFILE, "max-nofile"), CEILING(LIMIT_STACK, "max-stack"),
	CEILING(LIMIT_PROCS, "max-procs"), CEILING(LIMIT_DISK, "max-disk"),
	CEILING(LIMIT_OUTPUT, "max-output"),
	{ "drain\0S\0" "seconds for runs to end after SIGTERM (default: 0)",
		KIND_NUMBER, FOR_SERVE, AT(drain_s), 0, 86400 },
	{ "node-id\0ID\0" "first part of session ids, for a router (default: FLY_MACHINE_ID)",
		KIND_TEXT, FOR_SERVE, AT(node_id), 0, 0 },
	{ "log\0text|json|none\0" "a line a request on stderr (default: text)",
		KIND_TEXT, FOR_SERVE, AT(log), 0, 0 },
	{ "json\0\0" "print JSON",
		KIND_FLAG, FOR_CHECK, AT(json), 0, 0 },
};

enum { SPECS_LEN = sizeof(specs) / sizeof(specs[0]) };

static const struct command_name {
	char word[10];
	uint8_t command;
	const char *help;		/* NULL: another word for the one above */
} command_names[] = {
	{ "run", COMMAND_RUN, "run a command: opensandbox --run [OPTION]... -- COMMAND [ARG]..." },
	{ "--run", COMMAND_RUN, NULL },
	{ "serve", COMMAND_SERVE, "serve the HTTP API: opensandbox serve [OPTION]..." },
	{ "check", COMMAND_CHECK, "what this host gives: exit status 0 (ok), 1 (degraded), 2 (missing)" },
	{ "health", COMMAND_HEALTH, "ask a running server whether it is well" },
	{ "sessions", COMMAND_SESSIONS, "run a command where sessions' files are (default: ls -l)" },
	{ "help", COMMAND_HELP, "this text" },
	{ "--help", COMMAND_HELP, NULL },
	{ "-h", COMMAND_HELP, NULL },
	{ "version", COMMAND_VERSION, "name and version" },
	{ "--version", COMMAND_VERSION, NULL },
	{ "-V", COMMAND_VERSION, NULL },
};

enum { COMMANDS_LEN = sizeof(command_names) / sizeof(command_names[0]) };

static int
refuse(FILE *errors, const char *what, const char *object, const char *reason)
{
	fprintf(errors, "opensandbox: %s%s: %s\n", what, object, reason);
	return -1;
}

static int
parse_number(const char *text, uint64_t least, uint64_t greatest, uint64_t *value, const char *name,
    FILE *errors)
{
	int error = str_to_u64(str_of(text), greatest, value);

	if (error == -EINVAL) {
		fprintf(errors, "opensandbox: --%s: '%s' is not a whole number\n", name, text);
		return -1;
	}
	if (error || *value < least) {
		fprintf(errors, "opensandbox: --%s: %s is out of range (%llu to %llu)\n", name, text,
		    (unsigned long long)least, (unsigned long long)greatest);
		return -1;
	}
	return 0;
}

/* Puts a value where the table says. */
static int
store(struct options *options, const struct option_spec *spec, const char *value, FILE *errors)
{
	void *at = (char *)options + (spec->kind < KIND_LIMIT ? spec->offset : 0);
	uint64_t number;

	switch ((enum kind)spec->kind) {
	case KIND_FLAG:
		*(bool *)at = true;
		return 0;
	case KIND_TEXT:
		*(const char **)at = value;
		return 0;
	case KIND_LIST: {
		struct option_list *list = at;
		if (list->len == OPTIONS_LIST_MAX)
			return refuse(errors, "--", spec->name, "given too often");
		list->values[list->len++] = value;
		return 0;
	}
	case KIND_NUMBER:
		return parse_number(value, spec->least, spec->greatest, at, spec->name, errors);
	case KIND_INT:
		if (parse_number(value, spec->least, spec->greatest, &number, spec->name, errors))
			return -1;
		*(int *)at = (int)number;
		return 0;
	case KIND_LIMIT:
	case KIND_CEILING:
		if (parse_number(value, 1, limit_fields[spec->offset].greatest, &number, spec->name, errors))
			return -1;
		limits_set(spec->kind == KIND_LIMIT ? &options->limits : &options->ceilings,
		    (enum limit_id)spec->offset, number);
		return 0;
	}
	return -1;
}

static const struct option_spec *
find_spec(const char *name, size_t len, enum command command)
{
	for (size_t i = 0; i < SPECS_LEN; i++)
		if ((specs[i].commands & 1 << command) && !strncmp(specs[i].name, name, len) && !specs[i].name[len])
			return &specs[i];
	return NULL;
}

/* Takes one option and its value off argv: how many words, or -1. */
static int
take_option(struct options *options, char **argv, FILE *errors)
{
	const char *name = argv[0] + 2;
	size_t len = strcspn(name, "=");
	const char *inline_value = name[len] == '=' ? name + len + 1 : NULL;
	const struct option_spec *spec = find_spec(name, len, options->command);

	if (!spec)
		return refuse(errors, argv[0], "", "unknown option (see opensandbox --help)");
	if (spec->kind == KIND_FLAG) {
		if (inline_value)
			return refuse(errors, "--", spec->name, "takes no value");
		return store(options, spec, NULL, errors) ? -1 : 1;
	}
	const char *value = inline_value ? inline_value : argv[1];
	if (!value || (!inline_value && !strcmp(value, "--")))
		return refuse(errors, "--", spec->name, "needs a value");
	return store(options, spec, value, errors) ? -1 : inline_value ? 1 : 2;
}

/* Whether a component of a path is "..". */
static bool
has_dots(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/..")); at += 3)
		if (!at[3] || at[3] == '/')
			return true;
	return false;
}

/* SRC[:DST][:rw] */
static int
parse_bind(struct root_bind *bind, const char *text, FILE *errors)
{
	char *copy = strdup(text);
	if (!copy)
		return refuse(errors, "--bind ", text, "out of memory");
	char *colon = strrchr(copy, ':');
	if (colon && (!strcmp(colon, ":rw") || !strcmp(colon, ":ro"))) {
		bind->writable = colon[2] == 'w';
		*colon = '\0';
	}
	colon = strchr(copy, ':');
	if (colon)
		*colon++ = '\0';
	bind->source = copy;		/* lives as long as the process */
	bind->target = colon ? colon : copy;
	if (bind->source[0] != '/' || bind->target[0] != '/')
		return refuse(errors, "--bind ", text, "both paths must be absolute");
	if (!bind->target[strspn(bind->target, "/")] || has_dots(bind->target))
		return refuse(errors, "--bind ", text, "not a place in the sandbox");
	return 0;
}

static int
check_texts(struct options *options, FILE *errors)
{
	static const char formats[][5] = { [LOG_TEXT] = "text", [LOG_JSON] = "json", [LOG_NONE] = "none" };

	if (options->network && strcmp(options->network, "none") && strcmp(options->network, "host"))
		return refuse(errors, "--network ", options->network, "neither none nor host");
	if (options->cwd && options->cwd[0] != '/')
		return refuse(errors, "--cwd ", options->cwd, "must be an absolute path");
	for (size_t i = 0; i < options->env.len; i++)
		if (options->env.values[i][strcspn(options->env.values[i], "=")] != '=' ||
		    options->env.values[i][0] == '=')
			return refuse(errors, "--env ", options->env.values[i], "is not K=V");
	if (options->bind.len > ROOT_BINDS_MAX)
		return refuse(errors, "--bind", "", "given too often");
	for (size_t i = 0; i < options->bind.len; i++)
		if (parse_bind(&options->binds[i], options->bind.values[i], errors))
			return -1;
	for (size_t i = 0; options->log && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(options->log, formats[i])) {
			options->log_format = (enum log_format)i;
			options->log = NULL;
		}
	if (options->log)
		return refuse(errors, "--log ", options->log, "none of text, json, none");
	return 0;
}

static int
find_command(struct options *options, const char *word)
{
	for (size_t i = 0; i < COMMANDS_LEN; i++)
		if (word && !strcmp(word, command_names[i].word)) {
			options->command = (enum command)command_names[i].command;
			return 0;
		}
	return -1;
}

int
options_parse(struct options *options, int argc, char **argv, FILE *errors)
{
	memset(options, 0, sizeof(*options));
	options->result_fd = -1;
	options->port = 8080;
	options->max_sessions = 1024;
	options->max_connections = 10240;
	options->max_body_kb = 16384;
	if (argc < 2)
		return refuse(errors, "no command", "", "one of run, serve, check, health, sessions, help, version");
	if (find_command(options, argv[1]))
		return refuse(errors, argv[1], "", "unknown command (see opensandbox --help)");
	int at = 2;
	while (at < argc && !strncmp(argv[at], "--", 2) && argv[at][2]) {
		if (!strcmp(argv[at], "--help")) {
			options->command = COMMAND_HELP;
			return 0;
		}
		int words = take_option(options, argv + at, errors);
		if (words < 0)
			return -1;
		at += words;
	}
	if (at < argc && !strcmp(argv[at], "--"))
		at++;
	options->argv = argv + at;
	if (options->command == COMMAND_RUN && at == argc)
		return refuse(errors, "--run", "", "no command given");
	if (options->command != COMMAND_RUN && options->command != COMMAND_SESSIONS && at < argc)
		return refuse(errors, argv[at], "", "unexpected argument");
	return check_texts(options, errors);
}

static void
print_options(FILE *out, enum command command)
{
	char left[40];

	for (size_t i = 0; i < SPECS_LEN; i++) {
		const struct option_spec *spec = &specs[i];
		if (!(spec->commands & 1 << command))
			continue;
		bool is_limit = spec->kind >= KIND_LIMIT;
		const struct limit_field *limit = &limit_fields[is_limit ? spec->offset : 0];
		const char *own_value = spec->name + strlen(spec->name) + 1, *help = own_value + strlen(own_value) + 1;
		const char *value = is_limit ? limit->unit : own_value;
		snprintf(left, sizeof(left), "--%.15s%s%.15s", spec->name, *value ? " " : "", value);
		if (!is_limit)
			fprintf(out, "  %-26s %s\n", left, help);
		else if (spec->kind == KIND_CEILING)
			fprintf(out, "  %-26s greatest %s that a request may ask for%s\n", left, limit->name,
			    spec->offset == LIMIT_MEM ? ", and the bound of all runs together" : "");
		else if (limit->standard && command == COMMAND_RUN && spec->offset != LIMIT_OUTPUT)
			fprintf(out, "  %-26s %s (default: %llu)\n", left, limit->help,
			    (unsigned long long)limit->standard);
		else
			fprintf(out, "  %-26s %s%s\n", left, limit->help,
			    spec->offset == LIMIT_OUTPUT ? " (default: all of it)" : "");
	}
}

void
options_usage(FILE *out)
{
	fprintf(out, "usage: opensandbox COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMANDS_LEN; i++)
		if (command_names[i].help)
			fprintf(out, "  %-26s %s\n", command_names[i].word, command_names[i].help);
	fprintf(out, "\noptions of run (also: --run):\n");
	print_options(out, COMMAND_RUN);
	fprintf(out, "\noptions of serve:\n");
	print_options(out, COMMAND_SERVE);
	fprintf(out, "\noptions of check:\n");
	print_options(out, COMMAND_CHECK);
	fprintf(out, "\noptions of health:\n");
	print_options(out, COMMAND_HEALTH);
	fprintf(out, "\noptions of sessions:\n");
	print_options(out, COMMAND_SESSIONS);
	fprintf(out, "\nExit status of run: the command's; 128 + n after signal n; 124 after a limit; 125 when the\n"
	    "sandbox could not be made; 126, 127 when the command could not be started; 2 for a usage error.\n");
}
