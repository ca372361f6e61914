/* needs: buf.c json.c */
/* result.c's tests: a result as the contract writes it */
#include "../../result.c"

#include <stdlib.h>

#include "test.h"

static struct buf written(const struct result_view *view)
{
	struct buf out;

	buf_init(&out, result_size(view));
	result_write(&out, view);
	CHECK(!out.failed);
	return out;
}

static bool has(const struct buf *out, struct str text)
{
	return memmem(out->data, out->len, text.data, text.len) != NULL;
}

static bool writes(const struct result_view *view, const char *text)
{
	struct buf out = written(view);
	bool same = str_is(buf_str(&out), text);

	if (!same)
		printf("# written: %.*s", (int)out.len, out.data);
	buf_free(&out);
	return same;
}

TEST("a run that has ended is written as the contract says")
{
	struct message_result result = {
		.verdict = VERDICT_EXITED, .exit_code = 3, .by_group = 1,
		.usage = { .cpu_ns = 3100999, .user_ns = 2000000, .system_ns = 1100999, .wall_ns = 5400000, .mem_kb = 3416 },
	};
	struct result_view view = {
		.result = &result, .has_streams = true, .output = STR("a\"\n"), .errors = STR("\xff"),
		.errors_truncated = true, .queue_ns = 1234567,
	};

	CHECK(writes(&view, "{\"stdout\": \"a\\\"\\n\", \"stderr\": \"\xef\xbf\xbd\", \"exit_code\": 3, \"signal\": null, "
	    "\"signal_name\": null, \"status\": \"exited\", \"time\": 3.100, \"user_time\": 2.000, \"system_time\": 1.100, "
	    "\"wall_time\": 5.400, \"mem\": 3416, \"accounting\": \"cgroup\", \"stdout_truncated\": false, "
	    "\"stderr_truncated\": true, \"queue_time\": 1.234}\n"));
	view = (struct result_view){ .result = &result, .has_streams = true, .output = STR("\xff\x00"), .errors = STR(""),
		.base64 = true, .queue_ns = -1, .files = STR("{}") };
	struct buf out = written(&view);
	CHECK(str_begins(buf_str(&out), "{\"stdout\": \"/wA=\", \"stderr\": \"\", "));
	CHECK(!has(&out, STR("queue_time")));
	CHECK(has(&out, STR(", \"files\": {}}\n")));
	buf_free(&out);
}

TEST("a signal is told with its name, and then there is no exit code")
{
	struct message_result result = { .verdict = VERDICT_SIGNALED, .exit_code = 0, .signal = 9 };
	struct result_view view = { .result = &result, .queue_ns = -1 };
	struct buf out = written(&view);

	CHECK(has(&out, STR("\"exit_code\": null, \"signal\": 9, \"signal_name\": \"SIGKILL\", "
	    "\"status\": \"signaled\"")));
	buf_free(&out);
	result.signal = 35;
	out = written(&view);
	CHECK(has(&out, STR("\"signal\": 35, \"signal_name\": \"SIG35\"")));
	buf_free(&out);
}

TEST("every verdict has a status of the contract")
{
	static const char *const expected[] = {
		"exited", "signaled", "time_limit", "wall_time_limit", "memory_limit", "host_memory_limit", "exec_failed",
		"canceled", "internal",
	};

	CHECK_INT(sizeof(expected) / sizeof(expected[0]), VERDICTS_LEN);
	for (uint32_t i = 0; i < VERDICTS_LEN; i++)
		CHECK(!strcmp(result_status(i), expected[i]));
	CHECK(!strcmp(result_status(VERDICTS_LEN), "internal"));
	CHECK(!strcmp(result_status(UINT32_MAX), "internal"));
}

TEST("signals have the names of signal(7)")
{
	CHECK(!strcmp(result_signal_name(1), "SIGHUP"));
	CHECK(!strcmp(result_signal_name(11), "SIGSEGV"));
	CHECK(!strcmp(result_signal_name(15), "SIGTERM"));
	CHECK(!strcmp(result_signal_name(24), "SIGXCPU"));
	CHECK(!strcmp(result_signal_name(31), "SIGSYS"));
	CHECK(!result_signal_name(0) && !result_signal_name(-1) && !result_signal_name(32) && !result_signal_name(1 << 30));
}

TEST("whatever a program writes fits what result_size says")
{
	static char worst[65536];
	struct message_result result = {
		.verdict = VERDICT_INTERNAL, .exit_code = -1, .error = 5,
		.usage = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
	};

	memset(result.step, 1, sizeof(result.step) - 1);
	for (int c = 0; c < 256; c++) {
		memset(worst, c, sizeof(worst));
		struct result_view view = {
			.result = &result, .has_streams = true, .output = { worst, sizeof(worst) },
			.errors = { worst, sizeof(worst) }, .queue_ns = INT64_MAX, .base64 = c % 2,
		};
		struct buf out = written(&view);
		CHECK(out.len <= result_size(&view));
		buf_free(&out);
	}
}

TEST("why a command could not be started is said in words")
{
	struct message_result result = { .verdict = VERDICT_EXEC_FAILED, .error = ENOENT };
	struct buf out;

	buf_init(&out, 1024);
	result_exec_failure(&out, &result, STR("nosuch"));
	CHECK(str_is(buf_str(&out), "opensandbox: nosuch: not found\n"));
	out.len = 0;
	result.error = EACCES;
	result_exec_failure(&out, &result, STR("/x"));
	CHECK(str_is(buf_str(&out), "opensandbox: /x: Permission denied\n"));
	out.len = 0;
	result.error = ENOEXEC;
	result_exec_failure(&out, &result, STR("/x"));
	CHECK(str_is(buf_str(&out), "opensandbox: /x: not a program that can run here\n"));
	buf_free(&out);
}

TEST_MAIN()
