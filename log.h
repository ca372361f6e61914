/* log.h - the server's log: one line a request, on stderr */
#ifndef LOG_H
#define LOG_H

#include "message.h"
#include "options.h"

enum { LOG_FAILURE = 125 };

struct log_line {
	const char *id, *method, *route;	/* the route's pattern: nothing of the client's but a checked id */
	int status;
	uint64_t sent;
	int64_t ns;
	const struct message_result *result;	/* NULL: no run */
};

/* Writes the line if stderr takes it at once; else it is dropped, and the next line says how many were. */
void log_request(enum log_format format, const struct log_line *line);
/* "opensandbox: …" on stderr, in every format but none. */
void log_say(enum log_format format, const char *text, ...) __attribute__((format(printf, 2, 3)));
/* Says what failed, by an errno of either sign, so that the program ends: returns the exit status for that. */
int log_failure(const char *what, int error);

#endif
