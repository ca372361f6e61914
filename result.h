/* result.h - what is said of a run that has ended: as JSON, and as a line for people */
#ifndef RESULT_H
#define RESULT_H

#include "buf.h"
#include "message.h"

struct result_view {
	const struct message_result *result;
	bool has_streams;		/* stdout and stderr are part of it */
	struct str output, errors;
	bool output_truncated, errors_truncated, base64;
	int64_t queue_ns;		/* below 0: not part of it */
	struct str files;		/* JSON of copy_out; data NULL: none */
};

/* "exited", "time_limit", … */
const char *result_status(uint32_t verdict);
/* "SIGKILL"; NULL for a number without a name. */
const char *result_signal_name(int number);
/* Why a command could not be started, for its stderr: "opensandbox: nosuch: not found\n". */
void result_exec_failure(struct buf *out, const struct message_result *result, struct str command);
/* The JSON object of api.md. */
void result_write(struct buf *out, const struct result_view *view);
/* The most bytes that result_write appends for these streams. */
size_t result_size(const struct result_view *view);

#endif
