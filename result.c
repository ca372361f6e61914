/* result.c - writes results. Knows the API's names for them, touches nothing. */
#include "result.h"

#include <errno.h>
#include <string.h>

#include "json.h"

/* In the order of enum verdict. */
static const char statuses[] = "exited\0" "signaled\0" "time_limit\0" "wall_time_limit\0" "memory_limit\0" "host_memory_limit\0"
	"exec_failed\0" "canceled\0" "internal\0";

/* From 1 on: numbers of Linux on x86-64 and aarch64 (signal(7)). */
static const char signals[] = "SIGHUP\0" "SIGINT\0" "SIGQUIT\0" "SIGILL\0" "SIGTRAP\0" "SIGABRT\0" "SIGBUS\0" "SIGFPE\0"
	"SIGKILL\0" "SIGUSR1\0" "SIGSEGV\0" "SIGUSR2\0" "SIGPIPE\0" "SIGALRM\0" "SIGTERM\0" "SIGSTKFLT\0"
	"SIGCHLD\0" "SIGCONT\0" "SIGSTOP\0" "SIGTSTP\0" "SIGTTIN\0" "SIGTTOU\0" "SIGURG\0" "SIGXCPU\0"
	"SIGXFSZ\0" "SIGVTALRM\0" "SIGPROF\0" "SIGWINCH\0" "SIGIO\0" "SIGPWR\0" "SIGSYS\0";

enum { SIGNALS_LEN = 31 };

const char *
result_status(uint32_t verdict)
{
	return text_at(statuses, verdict < VERDICTS_LEN ? verdict : VERDICT_INTERNAL);
}

const char *
result_signal_name(int number)
{
	return number > 0 && number <= SIGNALS_LEN ? text_at(signals, (size_t)number - 1) : NULL;
}

void
result_exec_failure(struct buf *out, const struct message_result *result, struct str command)
{
	int error = result->error;

	buf_puts(out, "opensandbox: ");
	buf_append_str(out, command);
	buf_puts(out, ": ");
	buf_puts(out, error == ENOENT ? "not found" :
	    error == ELIBBAD ? "its interpreter is not found" :
	    error == ENOEXEC ? "not a program that can run here" : strerror(error));
	buf_putc(out, '\n');
}

/* Milliseconds with a microsecond's precision. */
static void
write_ms(struct buf *out, const char *name, uint64_t ns)
{
	uint64_t us = ns / 1000;

	buf_printf(out, ", \"%s\": %llu.%03u", name, (unsigned long long)(us / 1000), (unsigned)(us % 1000));
}

static void
write_stream(struct buf *out, const char *name, struct str text, bool base64)
{
	buf_printf(out, "\"%s\": ", name);
	if (base64)
		json_write_base64(out, text);
	else
		json_write_string(out, text);
	buf_puts(out, ", ");
}

static void
write_ending(struct buf *out, const struct message_result *result)
{
	const char *name = result_signal_name(result->signal);

	if (result->exit_code >= 0 && !result->signal)
		buf_printf(out, "\"exit_code\": %d", result->exit_code);
	else
		buf_puts(out, "\"exit_code\": null");
	if (!result->signal)
		buf_puts(out, ", \"signal\": null, \"signal_name\": null");
	else if (name)
		buf_printf(out, ", \"signal\": %d, \"signal_name\": \"%s\"", result->signal, name);
	else
		buf_printf(out, ", \"signal\": %d, \"signal_name\": \"SIG%d\"", result->signal, result->signal);
	buf_printf(out, ", \"status\": \"%s\"", result_status(result->verdict));
}

void
result_write(struct buf *out, const struct result_view *view)
{
	const struct message_result *result = view->result;

	buf_putc(out, '{');
	if (view->has_streams) {
		write_stream(out, "stdout", view->output, view->base64);
		write_stream(out, "stderr", view->errors, view->base64);
	}
	write_ending(out, result);
	if (result->verdict == VERDICT_INTERNAL) {
		buf_puts(out, ", \"step\": ");
		json_write_string(out, str_of(result->step));
		buf_puts(out, ", \"error\": ");
		json_write_string(out, str_of(strerror(result->error)));
	}
	write_ms(out, "time", result->usage.cpu_ns);
	write_ms(out, "user_time", result->usage.user_ns);
	write_ms(out, "system_time", result->usage.system_ns);
	write_ms(out, "wall_time", result->usage.wall_ns);
	buf_printf(out, ", \"mem\": %llu, \"accounting\": \"%s\"", (unsigned long long)result->usage.mem_kb,
	    result->by_group ? "cgroup" : "rlimit");
	if (view->has_streams)
		buf_printf(out, ", \"stdout_truncated\": %s, \"stderr_truncated\": %s",
		    view->output_truncated ? "true" : "false", view->errors_truncated ? "true" : "false");
	if (view->queue_ns >= 0)
		write_ms(out, "queue_time", (uint64_t)view->queue_ns);
	if (view->files.data) {
		buf_puts(out, ", \"files\": ");
		buf_append_str(out, view->files);
	}
	buf_puts(out, "}\n");
}

size_t
result_size(const struct result_view *view)
{
	enum { FIXED = 1024 };

	return FIXED + (view->output.len + view->errors.len) * JSON_STRING_GROWTH + view->files.len;
}
