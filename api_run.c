/* api_run.c - POST /run and POST /sessions/:id/run: a body becomes a run, a run's end a reply */
#include <errno.h>
#include <string.h>

#include "api_private.h"
#include "files.h"
#include "result.h"

enum { COPIES_MAX = 32 << 20 };

/* The files that copy_out brought: `"path": {…}, …`. What is missing is null. */
static void
write_copies(struct buf *out, const struct job *job, struct str copies)
{
	struct str paths = buf_str(&job->run.copies);
	const char *separator = "";

	buf_putc(out, '{');
	for (size_t i = 0; i < job->run.copies_len; i++) {
		struct str path = { paths.data, strnlen(paths.data, paths.len) };
		struct files_copy head = { .error = ENOENT };
		struct str content = { NULL, 0 };
		paths = (struct str){ paths.data + path.len + 1, paths.len - path.len - 1 };
		if (copies.len >= sizeof(head)) {
			memcpy(&head, copies.data, sizeof(head));
			copies = (struct str){ copies.data + sizeof(head), copies.len - sizeof(head) };
			content = (struct str){ copies.data, head.size < copies.len ? (size_t)head.size : copies.len };
			head.truncated |= head.size > copies.len;
			copies = (struct str){ copies.data + content.len, copies.len - content.len };
		}
		buf_puts(out, separator);
		json_write_string(out, path);
		separator = ", ";
		if (head.error) {
			buf_puts(out, ": null");
			continue;
		}
		bool base64 = job->run.base64 || !utf8_valid(content);
		buf_puts(out, ": {\"content\": ");
		if (base64)
			json_write_base64(out, content);
		else
			json_write_string(out, content);
		buf_printf(out, ", \"encoding\": \"%s\"%s}", base64 ? "base64" : "utf-8",
		    head.truncated ? ", \"truncated\": true" : "");
	}
	buf_putc(out, '}');
}

static void
reply_result(struct api *api, struct job *job)
{
	struct sandbox_run *run = job->handle;
	struct buf files, body, *errors = sandbox_errors(run);
	struct str copies = buf_str(sandbox_copies(run));

	buf_init(&files, copies.len * JSON_STRING_GROWTH + job->run.copies.len * JSON_STRING_GROWTH +
	    job->run.copies_len * 128 + 16);
	if (job->run.copies_len)
		write_copies(&files, job, copies);
	struct result_view view = {
		.result = &job->result, .has_streams = true,
		.output = buf_str(sandbox_output(run)), .errors = buf_str(errors),
		.output_truncated = sandbox_output_truncated(run),
		.errors_truncated = sandbox_errors_truncated(run), .base64 = job->run.base64,
		.queue_ns = job->started - job->queued_at,
		.files = job->run.copies_len ? buf_str(&files) : (struct str){ NULL, 0 },
	};
	buf_init(&body, result_size(&view));
	if (!files.failed)
		result_write(&body, &view);
	body.failed |= files.failed;
	buf_free(&files);
	api_reply(api, job, 200, &body);
}

/* A step of the start has failed: by the request's fault, or ours. */
static void
reply_refusal(struct api *api, struct job *job)
{
	const struct message_result *result = &job->result;
	const char *text = strerror(result->error), *field = NULL;
	enum fault fault = FAULT_INTERNAL;
	struct request_error error;
	bool files = !strcmp(result->step, "files");

	if (files || !strcmp(result->step, "cwd")) {
		bool full = result->error == ENOSPC || result->error == EFBIG || result->error == EDQUOT;
		fault = files && full ? FAULT_DISK_FULL : FAULT_INVALID_REQUEST;
		field = result->step;
	} else if (result->error == EAGAIN) {
		fault = FAULT_OVERLOADED;
		text = "no place for a run yet";
	} else if (!strcmp(result->step, "find the session")) {
		fault = FAULT_NO_SESSION;
		text = "session not found";
	}
	if (fault == FAULT_INTERNAL)
		(void)request_fail(&error, fault, NULL, "%s: %s", result->step, text);
	else
		(void)request_fail(&error, fault, field, "%s", text);
	api_reply_error(api, job, &error);
}

static void
run_ended(struct api *api, struct job *job)
{
	const struct message_result *result = &job->result;

	if (result->verdict == VERDICT_INTERNAL) {
		reply_refusal(api, job);
		return;
	}
	if (result->verdict == VERDICT_EXEC_FAILED) {
		struct buf reason;
		struct buf *errors = sandbox_errors(job->handle);
		buf_init(&reason, REQUEST_COMMAND_MAX + 256);
		result_exec_failure(&reason, result, (struct str){ job->command, strlen(job->command) });
		buf_free(errors);
		errors->max = reason.len;
		buf_append_str(errors, buf_str(&reason));
		buf_free(&reason);
	}
	reply_result(api, job);
}

/* Each file is bounded by the run's output, and all of them together. */
static uint64_t
copies_max(const struct run_request *run)
{
	uint64_t most = run->copies_len * ((run->limits.output_kb << 10) + sizeof(struct files_copy));
	return most < COPIES_MAX ? most : COPIES_MAX;
}

void
api_run(struct api *api, struct job *job, const struct json_value *body)
{
	struct request_rules rules = api_rules(api, job->session);
	struct request_error error;
	struct run_request *run = &job->run;

	run_request_free(run);
	if (request_run(run, body, &rules, &error)) {
		api_reply_error(api, job, &error);
		return;
	}
	size_t len = run->command.len < sizeof(job->command) - 1 ? run->command.len : sizeof(job->command) - 1;
	memcpy(job->command, run->command.data, len);
	job->command[len] = '\0';
	if (!api_hold(api, job, run->memfd_size)) {
		api_fail(api, job, FAULT_OVERLOADED, "other requests' bodies fill the memory for them");
		return;
	}
	int input = run->input >= 0 ? run->input : api_null(api, job);
	if (input < 0)
		return;
	job->spec = (struct sandbox_spec){
		.operation = OPERATION_COMMAND, .network = run->network,
		.session = job->session ? job->session->id : NULL, .limits = run->limits,
		.parcel = run->parcel, .input = input, .output = SANDBOX_KEEP, .errors = SANDBOX_KEEP,
		.copy_out = run->copies_len != 0,
		.copy_out_max = copies_max(run),
	};
	run->parcel = run->input = -1;
	job->ended = run_ended;
	api_start(api, job);
}
