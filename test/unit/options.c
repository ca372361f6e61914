/* needs: buf.c limit.c */
/* options.c's tests: the command line, what it becomes, and what it is refused for */
#include "../../options.c"

#include "test.h"

enum { WORDS_MAX = 600 };

static char said[1024];

/* Parses words that are separated by spaces, or the array where there is one; what it says goes to `said`. */
/* What is bound lives as long as the process: a leak checker has to see that. */
const char *kept[1024];
static size_t kept_len;

static int parse_words(struct options *options, int argc, const char *const *words)
{
	static char copies[WORDS_MAX][128];
	static char *argv[WORDS_MAX + 1];
	FILE *errors = fmemopen(said, sizeof(said), "w");

	memset(said, 0, sizeof(said));
	for (int i = 0; i < argc; i++) {
		snprintf(copies[i], sizeof(copies[i]), "%s", words[i]);
		argv[i] = copies[i];
	}
	argv[argc] = NULL;
	int result = options_parse(options, argc, argv, errors);
	for (size_t i = 0; i < ROOT_BINDS_MAX; i++)
		if (options->binds[i].source)
			kept[kept_len++ % 1024] = options->binds[i].source;
	fclose(errors);
	return result;
}

static int parse(struct options *options, const char *line)
{
	static char copy[2048];
	const char *words[WORDS_MAX] = { "opensandbox" };
	char *state = NULL;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state))
		words[argc++] = word;
	return parse_words(options, argc, words);
}

static bool refused(const char *line, const char *why)
{
	struct options options;
	int result = parse(&options, line);
	bool good = result == -1 && strstr(said, why) && !strncmp(said, "opensandbox: ", 13) &&
	    strchr(said, '\n') == said + strlen(said) - 1;

	if (!good)
		printf("# '%s' gives %d: %s\n", line, result, said);
	return good;
}

TEST("each command has its words")
{
	static const struct {
		const char *line;
		enum command command;
	} commands[] = {
		{ "run true", COMMAND_RUN }, { "--run true", COMMAND_RUN }, { "serve", COMMAND_SERVE },
		{ "check", COMMAND_CHECK }, { "health", COMMAND_HEALTH },
		{ "sessions", COMMAND_SESSIONS }, { "sessions ls -l", COMMAND_SESSIONS }, { "help", COMMAND_HELP },
		{ "--help", COMMAND_HELP }, { "-h", COMMAND_HELP }, { "version", COMMAND_VERSION },
		{ "--version", COMMAND_VERSION }, { "-V", COMMAND_VERSION }, { "serve --help", COMMAND_HELP },
	};
	struct options options;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		CHECK_INT(parse(&options, commands[i].line), 0);
		CHECK_INT(options.command, commands[i].command);
		CHECK(!said[0]);
	}
}

TEST("options end where the command begins, and its own are left to it")
{
	struct options options;

	CHECK_INT(parse(&options, "--run --time 7 ls --mem 3 -- x"), 0);
	CHECK_INT(options.limits.time_ms, 7);
	CHECK_INT(options.limits.mem_kb, 0);
	CHECK(!strcmp(options.argv[0], "ls") && !strcmp(options.argv[1], "--mem") && !strcmp(options.argv[3], "--"));
	CHECK(!strcmp(options.argv[4], "x") && !options.argv[5]);
	CHECK_INT(parse(&options, "--run --time=7 -- --mem"), 0);
	CHECK(!strcmp(options.argv[0], "--mem") && !options.argv[1]);
	CHECK_INT(parse(&options, "--run -l"), 0);
	CHECK(!strcmp(options.argv[0], "-l"));
}

TEST("what is not given has its default")
{
	struct options options;

	CHECK_INT(parse(&options, "serve"), 0);
	CHECK_INT(options.port, 8080);
	CHECK_INT(options.max_runs, 0);
	CHECK_INT(options.max_sessions, 1024);
	CHECK_INT(options.max_connections, 10240);
	CHECK_INT(options.max_body_kb, 16384);
	CHECK_INT(options.drain_s, 0);
	CHECK_INT(options.log_format, LOG_TEXT);
	CHECK_INT(options.result_fd, -1);
	CHECK(!options.keep_sessions && !options.no_token && !options.token_file && !options.listen.len);
}

TEST("every option of the table is taken by its commands, and by no other")
{
	static const char *const words[] = { [COMMAND_RUN] = "run", [COMMAND_SERVE] = "serve", [COMMAND_CHECK] = "check",
		[COMMAND_HEALTH] = "health", [COMMAND_SESSIONS] = "sessions" };
	static const char *const values[] = { "1", "host", "/a", "A=b", "text", "none" };

	for (size_t i = 0; i < SPECS_LEN; i++)
		for (int command = 0; command <= COMMAND_SESSIONS; command++) {
			struct options options;
			char option[64];
			int worst = -1;
			snprintf(option, sizeof(option), "--%.40s", specs[i].name);
			for (size_t j = 0; j < sizeof(values) / sizeof(values[0]) && worst; j++) {
				const char *argv[] = { "opensandbox", words[command], option, values[j], "true" };
				const char *flag[] = { "opensandbox", words[command], option, "true" };
				int argc = command == COMMAND_RUN || command == COMMAND_SESSIONS ? 5 : 4;
				worst = specs[i].kind == KIND_FLAG ? parse_words(&options, argc - 1, flag) :
				    parse_words(&options, argc, argv);
			}
			if ((worst == 0) != ((specs[i].commands & 1 << command) != 0))
				printf("# %s --%s: %d, %s", words[command], specs[i].name, worst, said);
			CHECK((worst == 0) == ((specs[i].commands & 1 << command) != 0));
		}
}

TEST("what is wrong is named")
{
	CHECK(refused("", "no command"));
	CHECK(refused("nosuch", "nosuch: unknown command"));
	CHECK(refused("--run", "no command given"));
	CHECK(refused("--run --time 7", "no command given"));
	CHECK(refused("--run --time", "--time: needs a value"));
	CHECK(refused("--run --time -- true", "--time: needs a value"));
	CHECK(refused("--run --tim 3 true", "--tim"));
	CHECK(refused("--run --times 3 true", "--times"));
	CHECK(refused("--run --no-cgroup=1 true", "--no-cgroup: takes no value"));
	CHECK(refused("serve true", "true: unexpected argument"));
	CHECK(refused("serve --log xml", "--log xml"));
	CHECK(refused("serve --network all", "--network all"));
	CHECK(refused("--run --cwd tmp true", "--cwd tmp"));
	CHECK(refused("--run --env A true", "--env A"));
	CHECK(refused("--run --env =b true", "--env =b"));
	CHECK(refused("--run --bind relative true", "both paths must be absolute"));
	CHECK(refused("--run --bind /a:b true", "both paths must be absolute"));
	CHECK(refused("--run --bind /a:/ true", "not a place in the sandbox"));
	CHECK(refused("--run --bind /a:/b/../c true", "not a place in the sandbox"));
}

TEST("a number is a whole one, in its range, and nothing is clipped")
{
	static const char *const bad[] = { "x", "1x", "+1", "-1", "1.5", "1e3", "0x10", " 1", "" };
	struct options options;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *argv[] = { "opensandbox", "serve", "--port", bad[i] };
		CHECK_INT(parse_words(&options, 4, argv), -1);
		CHECK(strstr(said, "--port") != NULL);
	}
	CHECK_INT(parse(&options, "serve --port 0"), 0);
	CHECK_INT(parse(&options, "serve --port 65535"), 0);
	CHECK(refused("serve --port 65536", "out of range (0 to 65535)"));
	CHECK(refused("serve --port 18446744073709551617", "out of range"));
	CHECK(refused("serve --max-runs 0", "out of range"));
	CHECK(refused("--run --time 0 true", "out of range (1 to"));
	CHECK(refused("--run --nofile 1048577 true", "out of range"));
	CHECK_INT(parse(&options, "--run --mem 4398046511104 true"), 0);
	CHECK_INT(options.limits.mem_kb, 1ll << 42);
	CHECK(refused("--run --mem 4398046511105 true", "out of range"));
	CHECK_INT(parse(&options, "serve --max-mem 5 --max-wall-time 6"), 0);
	CHECK_INT(options.ceilings.mem_kb, 5);
	CHECK_INT(options.ceilings.wall_time_ms, 6);
	CHECK_INT(options.limits.mem_kb, 0);
}

TEST("the last of two counts, but a list keeps them all, up to its length")
{
	static const char *words[WORDS_MAX] = { "opensandbox", "serve" };
	struct options options;

	CHECK_INT(parse(&options, "serve --port 1 --port 2 --allow-host a --allow-host=b"), 0);
	CHECK_INT(options.port, 2);
	CHECK_INT(options.allow_host.len, 2);
	CHECK(!strcmp(options.allow_host.values[1], "b"));
	for (int i = 2; i < 2 + 2 * OPTIONS_LIST_MAX; i += 2) {
		words[i] = "--allow-host";
		words[i + 1] = "x";
	}
	CHECK_INT(parse_words(&options, 2 + 2 * OPTIONS_LIST_MAX, words), 0);
	CHECK_INT(options.allow_host.len, OPTIONS_LIST_MAX);
	words[2 + 2 * OPTIONS_LIST_MAX] = "--allow-host";
	words[3 + 2 * OPTIONS_LIST_MAX] = "x";
	CHECK_INT(parse_words(&options, 4 + 2 * OPTIONS_LIST_MAX, words), -1);
	CHECK(strstr(said, "given too often") != NULL);
}

TEST("a bind has a source, a target, and is read-only unless it says rw")
{
	struct options options;

	CHECK_INT(parse(&options, "--run --bind /a --bind /b:/c --bind /d:rw --bind /e:/f:rw --bind /g:/h:ro true"), 0);
	CHECK_INT(options.bind.len, 5);
	CHECK(!strcmp(options.binds[0].source, "/a") && !strcmp(options.binds[0].target, "/a"));
	CHECK(!options.binds[0].writable);
	CHECK(!strcmp(options.binds[1].source, "/b") && !strcmp(options.binds[1].target, "/c"));
	CHECK(!strcmp(options.binds[2].source, "/d") && !strcmp(options.binds[2].target, "/d") &&
	    options.binds[2].writable);
	CHECK(!strcmp(options.binds[3].target, "/f") && options.binds[3].writable);
	CHECK(!strcmp(options.binds[4].target, "/h") && !options.binds[4].writable);
}

TEST("the usage text names every option and command")
{
	static char text[65536];
	FILE *out = fmemopen(text, sizeof(text), "w");

	options_usage(out);
	fclose(out);
	for (size_t i = 0; i < SPECS_LEN; i++) {
		char option[64];
		snprintf(option, sizeof(option), "  --%.40s", specs[i].name);
		CHECK(strstr(text, option) != NULL);
	}
	for (size_t i = 0; i < COMMANDS_LEN; i++)
		CHECK(!command_names[i].help || strstr(text, command_names[i].help));
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		CHECK(strcspn(line, "\n") <= 132);
}

TEST_MAIN()
