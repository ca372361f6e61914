/* needs: buf.c json.c limit.c environment.c parcel.c */
/* request.c's tests: each field of a body, what is refused by name, and what is packed */
#include "../../request.c"

#include <fcntl.h>

#include "test.h"

static const struct request_rules plain = { .nofile_max = 1024 };
static struct request_error error;

static struct json *document(const char *text)
{
	struct json_error fault;
	struct json *json = json_parse(str_of(text), &fault);

	if (!json) {
		printf("# not JSON: %s at %zu: %s\n", text, fault.offset, fault.reason);
		abort();
	}
	return json;
}

/* Reads a run; 0 or the status. */
static int run(const char *text, const struct request_rules *rules, struct run_request *request)
{
	struct json *json = document(text);
	struct run_request own;

	memset(&error, 0, sizeof(error));
	int failed = request_run(request ? request : &own, json_root(json), rules, &error);
	if (!request)
		run_request_free(&own);
	else
		request->command = (struct str){ NULL, 0 };	/* it points into the document */
	json_free(json);
	return failed ? error.status : 0;
}

static bool refuses(const char *text, const char *field)
{
	bool good = run(text, &plain, NULL) == 400 && !strcmp(error.code, "invalid_request") &&
	    !strcmp(error.field, field) && error.text[0] && utf8_valid(str_of(error.text)) &&
	    utf8_valid(str_of(error.field));

	if (!good)
		printf("# %s: %d %s field '%s': %s\n", text, error.status, error.code ? error.code : "", error.field,
		    error.text);
	return good;
}

static bool open_parcel(struct parcel *parcel, const char *text, const struct request_rules *rules)
{
	struct run_request request;

	if (run(text, rules, &request))
		return false;
	bool good = !parcel_open(parcel, request.parcel);
	run_request_free(&request);
	return good;
}

TEST("a run has a command, and every default of the contract")
{
	struct run_request request;
	struct parcel parcel;

	CHECK_INT(run("{\"command\": [\"git\", \"\"]}", &plain, &request), 0);
	CHECK_INT(request.limits.time_ms, 5000);
	CHECK_INT(request.limits.wall_time_ms, 60000);
	CHECK_INT(request.limits.nofile, 64);
	CHECK_INT(request.network, NETWORK_NONE);
	CHECK(!request.base64);
	CHECK_INT(request.input, -1);
	CHECK_INT(request.copies_len, 0);
	CHECK_INT(parcel_open(&parcel, request.parcel), 0);
	CHECK(!strcmp(parcel.argv[0], "git") && !parcel.argv[1][0] && !parcel.argv[2]);
	CHECK(!strcmp(parcel.cwd, "/"));
	parcel_close(&parcel);
	run_request_free(&request);
	CHECK_INT(request.parcel, -1);
}

TEST("what is missing or of the wrong type is refused by its field")
{
	CHECK(refuses("{}", "command"));
	CHECK(refuses("[]", ""));
	CHECK(refuses("\"x\"", ""));
	CHECK(refuses("{\"command\": \"ls\"}", "command"));
	CHECK(refuses("{\"command\": []}", "command"));
	CHECK(refuses("{\"command\": [\"\"]}", "command[0]"));
	CHECK(refuses("{\"command\": [\"a\", 1]}", "command[1]"));
	CHECK(refuses("{\"command\": [\"a\", \"b\", \"c\\u0000\"]}", "command[2]"));
	CHECK(refuses("{\"command\": [\"a\"], \"env\": []}", "env"));
	CHECK(refuses("{\"command\": [\"a\"], \"env\": {\"A\": null}}", "env[\"A\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"env\": {\"A\": 1}}", "env[\"A\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"env\": {\"A=B\": \"\"}}", "env[\"A=B\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"env\": {\"\": \"\"}}", "env[\"\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"cwd\": \"tmp\"}", "cwd"));
	CHECK(refuses("{\"command\": [\"a\"], \"cwd\": \"\"}", "cwd"));
	CHECK(refuses("{\"command\": [\"a\"], \"cwd\": \"/a\\u0000\"}", "cwd"));
	CHECK(refuses("{\"command\": [\"a\"], \"stdin\": 1}", "stdin"));
	CHECK(refuses("{\"command\": [\"a\"], \"encoding\": \"utf8\"}", "encoding"));
	CHECK(refuses("{\"command\": [\"a\"], \"network\": \"all\"}", "network"));
	CHECK(refuses("{\"command\": [\"a\"], \"copy_out\": {}}", "copy_out"));
	CHECK(refuses("{\"command\": [\"a\"], \"copy_out\": [\"\"]}", "copy_out[0]"));
	CHECK(refuses("{\"command\": [\"a\"], \"files\": {\"\": \"\"}}", "files[\"\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"files\": {\"a\\u0000\": \"\"}}", "files[\"a?\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"files\": {\"a\": 1}}", "files[\"a\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"files\": {\"a\": {}}}", "files[\"a\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"files\": {\"a\": {\"content\": \"\", \"mod\": \"0644\"}}}", "files[\"a\"]"));
	CHECK(refuses("{\"command\": [\"a\"], \"stdin\": {\"content\": \"\", \"mode\": \"0644\"}}", "stdin"));
}

TEST("an unknown field is refused by name, whatever the name")
{
	char text[2048], many[1025];

	CHECK(refuses("{\"command\": [\"a\"], \"tiem\": 1}", "tiem"));
	CHECK(strstr(error.text, "unknown field: tiem") != NULL);
	CHECK(refuses("{\"command\": [\"a\"], \"\": 1}", ""));
	CHECK(refuses("{\"command\": [\"a\"], \"limits\": {}}", "limits"));
	CHECK(refuses("{\"command\": [\"a\"], \"a\\nb\": 1}", "a?b"));
	for (size_t len = 100; len < 140; len++) {
		memset(many, 'n', len);
		many[len] = '\0';
		snprintf(text, sizeof(text), "{\"command\": [\"a\"], \"%s\": 1}", many);
		CHECK_INT(run(text, &plain, NULL), 400);
		CHECK(error.field[0] == 'n' && strlen(error.field) <= len);
		/* The same in characters of more bytes: cut at the end of one. */
		for (size_t i = 0; i + 3 <= len; i += 3)
			memcpy(many + i, "\xe2\x82\xac", 3);
		many[len - len % 3] = '\0';
		snprintf(text, sizeof(text), "{\"command\": [\"a\"], \"%s\": 1}", many);
		CHECK_INT(run(text, &plain, NULL), 400);
		CHECK(utf8_valid(str_of(error.field)) && utf8_valid(str_of(error.text)));
		snprintf(text, sizeof(text), "{\"command\": [\"a\"], \"env\": {\"%s\": 1}}", many);
		CHECK_INT(run(text, &plain, NULL), 400);
		CHECK(utf8_valid(str_of(error.field)) && utf8_valid(str_of(error.text)));
	}
}

TEST("a limit is an integer from 1 to the greatest, which is named")
{
	static const char *const bad[] = { "0", "-1", "1.0", "1e3", "\"1\"", "true", "null", "[]",
		"9223372036854775808", "1000000001", "-0", "0.5" };
	char text[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"command\": [\"a\"], \"time\": %s}", bad[i]);
		CHECK(refuses(text, "time"));
	}
	CHECK(refuses("{\"command\": [\"a\"], \"time\": 1000000001}", "time"));
	CHECK(strstr(error.text, "1000000000") != NULL);
	CHECK_INT(run("{\"command\": [\"a\"], \"time\": 1000000000}", &plain, NULL), 0);
	CHECK(refuses("{\"command\": [\"a\"], \"nofile\": 1025}", "nofile"));
	CHECK(strstr(error.text, "1024") != NULL);
}

TEST("an operator's ceiling is refused above, and bounds the defaults")
{
	struct request_rules rules = plain;
	struct run_request request;

	rules.ceilings.time_ms = 1000;
	rules.ceilings.mem_kb = 4096;
	CHECK_INT(run("{\"command\": [\"a\"], \"time\": 1001}", &rules, NULL), 400);
	CHECK(strstr(error.text, "1000") && !strcmp(error.field, "time"));
	CHECK_INT(run("{\"command\": [\"a\"], \"time\": 1000}", &rules, &request), 0);
	CHECK_INT(request.limits.time_ms, 1000);
	CHECK_INT(request.limits.mem_kb, 4096);
	run_request_free(&request);
}

TEST("the host's network is given only where it is granted, and files have modes and content")
{
	struct request_rules rules = plain;
	struct run_request request;
	struct parcel parcel;
	struct str content;
	const char *path;
	uint32_t mode;

	CHECK_INT(run("{\"command\": [\"a\"], \"network\": \"host\"}", &plain, NULL), 403);
	rules.network_host = true;
	CHECK_INT(run("{\"command\": [\"a\"], \"network\": \"host\"}", &rules, &request), 0);
	CHECK_INT(request.network, NETWORK_HOST);
	run_request_free(&request);
	CHECK(open_parcel(&parcel, "{\"command\": [\"a\"], \"files\": {\"/x\": \"text\", \"y\": {\"content\": \"AP8=\", "
	    "\"encoding\": \"base64\", \"mode\": \"0755\"}}, \"copy_out\": [\"z\"], \"cwd\": \"/tmp\"}", &plain));
	CHECK(parcel_next_file(&parcel.files, &path, &mode, &content));
	CHECK(!strcmp(path, "/x") && mode == 0644 && str_is(content, "text"));
	CHECK(parcel_next_file(&parcel.files, &path, &mode, &content));
	CHECK(!strcmp(path, "y") && mode == 0755 && content.len == 2 && !memcmp(content.data, "\0\xff", 2));
	CHECK(parcel_next_copy(&parcel.copies, &path) && !strcmp(path, "z"));
	CHECK(!strcmp(parcel.cwd, "/tmp"));
	parcel_close(&parcel);
}

TEST("base64 that is none, and a mode that is none, are refused")
{
	static const char *const bad[] = { "\"A\"", "\"AA==\\n\"", "\"AB==\"", "\"====\"", "\"AA\"", "\"\\u00e9AAA\"" };
	static const char *const modes[] = { "\"\"", "\"8\"", "\"01000\"", "\"4755\"", "\"-1\"", "644", "\"0x1\"", "\"00644\"" };
	char text[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"command\": [\"a\"], \"stdin\": {\"content\": %s, \"encoding\": \"base64\"}}",
		    bad[i]);
		CHECK(refuses(text, "stdin"));
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(text, sizeof(text), "{\"command\": [\"a\"], \"files\": {\"a\": {\"content\": \"\", \"mode\": %s}}}",
		    modes[i]);
		CHECK(refuses(text, "files[\"a\"]"));
	}
}

TEST("stdin may hold NUL, and is a descriptor of its own")
{
	struct run_request request;
	char bytes[8];

	CHECK_INT(run("{\"command\": [\"a\"], \"stdin\": \"a\\u0000b\"}", &plain, &request), 0);
	CHECK(request.input >= 0);
	CHECK_INT(read(request.input, bytes, sizeof(bytes)), 3);
	CHECK(!memcmp(bytes, "a\0b", 3));
	run_request_free(&request);
	CHECK_INT(run("{\"command\": [\"a\"], \"stdin\": \"\"}", &plain, &request), 0);
	CHECK_INT(request.input, -1);
	run_request_free(&request);
}

TEST("in a session its env, cwd and limits count where the run gives none, and disk is not the run's")
{
	const struct variable env[] = { { STR("A"), STR("session") }, { STR("B"), STR("session") } };
	const struct limits defaults = { .time_ms = 77 };
	struct request_rules rules = { .nofile_max = 1024, .in_session = true, .defaults = &defaults, .env = env,
		.env_len = 2, .cwd = STR("/home") };
	struct run_request request;
	struct parcel parcel;
	bool a = false, b = false;

	CHECK_INT(run("{\"command\": [\"a\"]}", &rules, &request), 0);
	CHECK_INT(request.limits.time_ms, 77);
	run_request_free(&request);
	CHECK(open_parcel(&parcel, "{\"command\": [\"a\"], \"env\": {\"B\": \"run\"}}", &rules));
	CHECK(!strcmp(parcel.cwd, "/home"));
	for (char **variable = parcel.envp; *variable; variable++) {
		a |= !strcmp(*variable, "A=session");
		b |= !strcmp(*variable, "B=run");
		CHECK(strcmp(*variable, "B=session") != 0);
	}
	CHECK(a && b);
	parcel_close(&parcel);
	CHECK_INT(run("{\"command\": [\"a\"], \"disk\": 1}", &rules, NULL), 400);
	CHECK(!strcmp(error.field, "disk"));
	CHECK_INT(run("{\"command\": [\"a\"], \"network\": \"none\"}", &rules, NULL), 400);
}

/* {"command": ["a", "xxx…"]}, of so many bytes of argv with their NULs. */
static int run_of_size(size_t size)
{
	static char text[REQUEST_COMMAND_MAX + 100];
	int n = snprintf(text, sizeof(text), "{\"command\": [\"a\", \"");

	memset(text + n, 'x', size - 3);
	snprintf(text + (size_t)n + size - 3, 8, "\"]}");
	return run(text, &plain, NULL);
}

TEST("a command has at most 128 KiB, with a NUL for each argument")
{
	CHECK_INT(run_of_size(REQUEST_COMMAND_MAX), 0);
	CHECK_INT(run_of_size(REQUEST_COMMAND_MAX + 1), 400);
	CHECK(!strcmp(error.field, "command"));
}

TEST("a session has a ttl, limits, and a disk; what is wrong is named with its place")
{
	struct session_request session;
	struct json *json = document("{\"ttl\": 5, \"limits\": {\"time\": 9}, \"env\": {\"A\": \"b\"}, \"disk\": 100}");

	CHECK_INT(request_session(&session, json_root(json), &plain, &error), 0);
	CHECK_INT(session.ttl_s, 5);
	CHECK_INT(session.limits.time_ms, 9);
	CHECK_INT(session.limits.mem_kb, 0);
	CHECK_INT(session.limits.disk_kb, 100);
	CHECK_INT(session.env_len, 1);
	CHECK(str_is(session.cwd, "/"));
	CHECK_INT(session.parcel, -1);
	session_request_free(&session);
	json_free(json);
	CHECK_INT(request_session(&session, NULL, &plain, &error), 0);
	CHECK_INT(session.ttl_s, 300);
	CHECK_INT(session.limits.disk_kb, limit_fields[LIMIT_DISK].standard);
	session_request_free(&session);
	static const struct {
		const char *text, *field;
	} bad[] = {
		{ "{\"ttl\": 0}", "ttl" }, { "{\"ttl\": 2592001}", "ttl" }, { "{\"limits\": {\"time\": 0}}", "limits.time" },
		{ "{\"limits\": []}", "limits" }, { "{\"time\": 1}", "time" }, { "{\"limits\": {\"disk\": 1}}", "disk" },
		{ "{\"command\": [\"a\"]}", "command" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json = document(bad[i].text);
		CHECK_INT(request_session(&session, json_root(json), &plain, &error), -1);
		CHECK_INT(error.status, 400);
		CHECK(!strcmp(error.field, bad[i].field));
		session_request_free(&session);
		json_free(json);
	}
}

TEST("a cwd or files of a session are checked in it")
{
	struct session_request session;
	struct json *json = document("{\"cwd\": \"/w\", \"files\": {\"/w/a\": \"b\"}}");
	struct parcel parcel;

	CHECK_INT(request_session(&session, json_root(json), &plain, &error), 0);
	CHECK(session.parcel >= 0);
	CHECK_INT(parcel_open(&parcel, session.parcel), 0);
	CHECK(!strcmp(parcel.argv[0], "/w") && parcel.head.files == 1);
	parcel_close(&parcel);
	session_request_free(&session);
	json_free(json);
}

TEST("env and cwd of a session change one at a time, and null removes")
{
	struct variable *env;
	struct str cwd;
	size_t len;
	struct json *json = document("{\"env\": {\"A\": \"b\", \"OLD\": null, \"EMPTY\": \"\"}}");

	CHECK_INT(request_env(&env, &len, json_root(json), &error), 0);
	CHECK_INT(len, 3);
	CHECK(str_is(env[0].value, "b") && !env[1].value.data && env[2].value.data && !env[2].value.len);
	free(env);
	json_free(json);
	json = document("{\"env\": {}, \"cwd\": \"/\"}");
	CHECK_INT(request_env(&env, &len, json_root(json), &error), -1);
	free(env);
	CHECK_INT(request_cwd(&cwd, json_root(json), &error), -1);
	json_free(json);
	json = document("{\"cwd\": \"/tmp\"}");
	CHECK_INT(request_cwd(&cwd, json_root(json), &error), 0);
	CHECK(str_is(cwd, "/tmp"));
	CHECK_INT(request_env(&env, &len, json_root(json), &error), -1);
	CHECK(!strcmp(error.field, "cwd"));
	json_free(json);
}

TEST_MAIN()
