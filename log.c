/* log.c - writes log lines to stderr without ever waiting for it. Knows no client's byte but an id that was checked. */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "result.h"
#include "time_text.h"
#include "wait.h"

enum { LINE_MAX_LEN = 1024 };		/* below PIPE_BUF: a line goes out whole or not at all */

/* How many lines nobody took: a process has one stderr, and so one count. */
static unsigned long dropped;

static void
put(const char *text, size_t len)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT) ||
	    write(STDERR_FILENO, text, len) != (ssize_t)len)
		dropped++;
}

static void
put_dropped(enum log_format format)
{
	char text[128];
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (!dropped || poll(&room, 1, 0) != 1)
		return;
	int n = snprintf(text, sizeof(text), format == LOG_JSON ? "{\"dropped\": %lu}\n" :
	    "opensandbox: %lu log lines were dropped\n", dropped);
	dropped = 0;
	put(text, (size_t)n);
}

void
log_request(enum log_format format, const struct log_line *line)
{
	char text[LINE_MAX_LEN], when[TIME_TEXT_SIZE], usage[200] = "";
	const struct message_result *result = line->result;
	bool json = format == LOG_JSON;

	if (format == LOG_NONE)
		return;
	put_dropped(format);
	time_text_ms(when, wait_wall_clock_ms());
	if (result)
		snprintf(usage, sizeof(usage), json ?
		    ", \"verdict\": \"%s\", \"time\": %llu.%03llu, \"wall_time\": %llu.%03llu, \"mem\": %llu" :
		    " %s time=%llu.%03llu wall_time=%llu.%03llu mem=%llu", result_status(result->verdict),
		    THOUSANDTHS(result->usage.cpu_ns / 1000), THOUSANDTHS(result->usage.wall_ns / 1000),
		    (unsigned long long)result->usage.mem_kb);
	int n = snprintf(text, sizeof(text), json ?
	    "{\"at\": \"%s\", \"id\": \"%s\", \"method\": \"%s\", \"route\": \"%s\", \"status\": %d, "
	    "\"bytes\": %llu, \"ms\": %llu.%03llu%s}\n" : "%s %s %s %s %d bytes=%llu ms=%llu.%03llu%s\n", when, line->id,
	    line->method, line->route, line->status, (unsigned long long)line->sent,
	    THOUSANDTHS((uint64_t)line->ns / 1000),
	    usage);
	if (n > 0 && (size_t)n < sizeof(text))
		put(text, (size_t)n);
}

NO_DOUBLES
void
log_say(enum log_format format, const char *message, ...)
{
	char said[512], text[LINE_MAX_LEN];
	va_list arguments;

	if (format == LOG_NONE)
		return;
	va_start(arguments, message);
	vsnprintf(said, sizeof(said), message, arguments);
	va_end(arguments);
	int n = snprintf(text, sizeof(text), "opensandbox: %s\n", said);
	if (n > 0)
		put(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* What the host forbids, check knows the cure of. */
int
log_failure(const char *what, int error)
{
	if (error < 0)
		error = -error;
	fprintf(stderr, "opensandbox: %s: %s%s\n", what, strerror(error),
	    error == EPERM || error == EACCES ? ": see opensandbox check" : "");
	return LOG_FAILURE;
}
