/* needs: buf.c limit.c */
/* Any words as a command line: it is refused by one line, or every value of it is within its range */
#include "../../options.c"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* A part of it is "..": it leads out of where it seems to. */
static bool leads_up(const char *path)
{
	size_t len = strlen(path);

	return strstr(path, "/../") || (len >= 3 && !strcmp(path + len - 3, "/.."));
}

static void check_values(const struct options *options)
{
	for (int i = 0; i < LIMITS_LEN; i++) {
		must(limits_get(&options->limits, (enum limit_id)i) <= limit_fields[i].greatest);
		must(limits_get(&options->ceilings, (enum limit_id)i) <= limit_fields[i].greatest);
	}
	must(options->port <= 65535 && options->max_runs <= 1000);
	must(options->max_connections >= 1 && options->max_sessions >= 1 && options->result_fd >= -1);
	must(options->listen.len <= OPTIONS_LIST_MAX && options->env.len <= OPTIONS_LIST_MAX);
	if (options->command == COMMAND_HELP)
		return;
	must(options->bind.len <= ROOT_BINDS_MAX);
	for (size_t i = 0; i < options->bind.len; i++)
		must(options->binds[i].source[0] == '/' && options->binds[i].target[0] == '/' &&
		    !leads_up(options->binds[i].target));
	for (size_t i = 0; i < options->env.len; i++)
		must(strchr(options->env.values[i], '=') > options->env.values[i]);
	must(options->command != COMMAND_RUN || options->argv[0]);
}

/* What options_parse says goes here. */
static char said[4096];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { WORDS_MAX = 700 };
	char *argv[WORDS_MAX + 2], *text = malloc(size + 1);
	struct options options;
	int argc = 0;

	if (!text || size == 0 || size > 4000) {
		free(text);
		return 0;
	}
	/* Words end with a NUL, or at a line's end. */
	memcpy(text, data, size);
	text[size] = '\0';
	argv[argc++] = text + size;
	for (size_t at = 0; at < size && argc <= WORDS_MAX; at += strlen(text + at) + 1) {
		char *end = strchr(text + at, '\n');
		if (end)
			*end = '\0';
		argv[argc++] = text + at;
	}
	argv[argc] = NULL;
	memset(said, 0, sizeof(said));
	FILE *errors = fmemopen(said, sizeof(said), "w");
	must(errors != NULL);
	int result = options_parse(&options, argc, argv, errors);
	fclose(errors);
	must(result == 0 || result == -1);
	must((result == -1) == (said[0] != '\0'));
	if (!result)
		check_values(&options);
	/* A bind's text lives as long as the process, which here goes on. */
	for (size_t i = 0; i < ROOT_BINDS_MAX && options.binds[i].source; i++) {
		union {
			const char *borrowed;
			char *owned;
		} source = { options.binds[i].source };
		free(source.owned);
	}
	free(text);
	return 0;
}

#include "replay.h"
