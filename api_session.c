/* api_session.c - the routes of sessions: create, list, show, change, end */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_private.h"
#include "time_text.h"

enum {
	SESSION_TEXT_MAX = 8 << 20,
	LIST_PIECE = 32 << 10,		/* of a list: written at a time, whole sessions */
};

/* The limits of most sessions are the same: their text is made once for all that follow each other in a list. */
struct limits_text {
	bool is_set;
	struct limits limits;
	char text[512];
};

static void
write_number(struct buf *out, const char *before, uint64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	buf_puts(out, before);
	buf_append(out, digits + at, sizeof(digits) - at);
}

static void
write_time(struct buf *out, const char *before, int64_t ms)
{
	char text[TIME_TEXT_SIZE];

	time_text_ms(text, ms);
	buf_puts(out, before);
	buf_puts(out, text);
}

static void
write_limits(struct buf *out, const struct limits *limits, struct limits_text *kept)
{
	struct limits resolved = *limits;

	if (!kept->is_set || memcmp(&kept->limits, limits, sizeof(*limits))) {
		size_t len = 0;
		limits_resolve(&resolved, NULL);
		for (int i = 0; i < LIMITS_LEN; i++)
			if (i != LIMIT_DISK)
				len += (size_t)snprintf(kept->text + len, sizeof(kept->text) - len, "%s\"%s\": %llu",
				    len ? ", " : "", limit_fields[i].name,
				    (unsigned long long)limits_get(&resolved, (enum limit_id)i));
		kept->limits = *limits;
		kept->is_set = true;
	}
	buf_puts(out, ", \"limits\": {");
	buf_puts(out, kept->text);
}

static void
write_session(struct buf *out, const struct session *session, int64_t now, struct limits_text *limits)
{
	buf_puts(out, "{\"session_id\": \"");
	buf_puts(out, session->id);
	buf_puts(out, "\", \"id\": \"");
	buf_puts(out, session->id);
	buf_puts(out, "\", \"env\": {");
	for (size_t i = 0; i < session->env_len; i++) {
		if (i)
			buf_puts(out, ", ");
		json_write_string(out, session->env[i].name);
		buf_puts(out, ": ");
		json_write_string(out, session->env[i].value);
	}
	buf_puts(out, "}, \"cwd\": ");
	json_write_string(out, session->cwd);
	/* The request that asks is itself in hand. */
	int64_t age_ms = now - session->created_ms;
	int64_t idle_ms = session->busy > 1 || session->running ? 0 : now - session->used_ms;
	write_number(out, ", \"age_secs\": ", age_ms > 0 ? (uint64_t)age_ms / 1000 : 0);
	write_number(out, ", \"idle_secs\": ", idle_ms > 0 ? (uint64_t)idle_ms / 1000 : 0);
	write_time(out, ", \"created_at\": \"", session->created_ms);
	write_time(out, "\", \"last_used_at\": \"", session->used_ms);
	write_time(out, "\", \"expires_at\": \"",
	    (session->busy ? now : session->used_ms) + (int64_t)session->ttl_s * 1000);
	write_number(out, "\", \"ttl\": ", session->ttl_s);
	write_number(out, ", \"running\": ", session->running);
	write_limits(out, &session->limits, limits);
	buf_puts(out, session->network == NETWORK_HOST ? "}, \"network\": \"host\"" : "}, \"network\": \"none\"");
	write_number(out, ", \"disk\": ", session->disk_kb);
	write_number(out, ", \"disk_used\": ", session->disk_used_kb);
	buf_putc(out, '}');
}

static void
reply_session(struct api *api, struct job *job, int status)
{
	struct buf body;
	struct limits_text limits = { false };

	if (status == 201)
		api_field(job, "Location: /sessions/%s\r\n", job->session->id);
	buf_init(&body, SESSION_TEXT_MAX);
	write_session(&body, job->session, wait_wall_clock_ms(), &limits);
	buf_putc(&body, '\n');
	api_reply(api, job, status, &body);
}

static void
fail_session(struct api *api, struct job *job, int error)
{
	if (error == ENOENT)
		api_fail(api, job, FAULT_NO_SESSION, "session not found");
	else if (error == ENOSPC || error == ENOMEM)
		api_fail(api, job, FAULT_OVERLOADED, "not enough memory for it: %s", strerror(error));
	else if (error == EMFILE)
		api_fail(api, job, FAULT_SESSIONS, "there are %zu sessions already",
		    sessions_len(api->config.sessions));
	else if (error == EPIPE)
		api_fail(api, job, FAULT_DRAINING, "the server is ending");
	else
		api_fail(api, job, FAULT_INTERNAL, "the session cannot be kept: %s", strerror(error));
}

static void
wait_for_answer(struct api *api, struct job *job, int error, void (*answered)(struct api *, struct job *, int))
{
	job->answered = answered;
	if (error)
		fail_session(api, job, -error);
}

/* --- showing --------------------------------------------------------------------------------------- */

/* Adds whole sessions to the text until it has a piece's length: false when there are no more. */
static bool
write_piece(struct api *api, struct job *job)
{
	struct session *session;
	struct limits_text limits = { false };
	int64_t now = wait_wall_clock_ms();

	while ((session = sessions_after(api->config.sessions, job->listed)) && job->text.len < LIST_PIECE) {
		buf_puts(&job->text, job->listed ? ",\n " : "[");
		write_session(&job->text, session, now, &limits);
		job->listed = session->number;
	}
	if (!session)
		buf_puts(&job->text, job->listed ? "]\n" : "[]\n");
	return session != NULL;
}

/* Writes on as the client takes it: ten thousand sessions, each with a megabyte of variables, do not fit in memory as one text. */
static void
list_moved(struct api *api, struct job *job)
{
	struct http *http = api->config.http;

	while (!job->replied) {
		if (!job->text.len && job->body_over) {
			job->replied = true;
			(void)http_reply_end(http, job->client);
			return;
		}
		if (!job->text.len)
			job->body_over = !write_piece(api, job);
		if (job->text.failed) {
			job->replied = true;
			http_cut(http, job->client);
			return;
		}
		(void)api_hold(api, job, job->text.size);
		int64_t n = http_reply_write(http, job->client, buf_str(&job->text));
		if (n <= 0)
			return;
		buf_consume(&job->text, (size_t)n);
	}
}

void
api_sessions_list(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	buf_init(&job->text, SESSION_TEXT_MAX);
	if (!write_piece(api, job)) {
		api_reply(api, job, 200, &job->text);
		return;
	}
	job->moved = list_moved;
	if (api_begin_reply(api, job, 200, "application/json", -1))
		list_moved(api, job);
}

static void
show_measured(struct api *api, struct job *job, int error)
{
	if (error)
		fail_session(api, job, error);
	else
		reply_session(api, job, 200);
}

void
api_session_show(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	int error = session_measure(api->config.sessions, job->session, &job->serial);
	wait_for_answer(api, job, error, show_measured);
}

/* --- creating -------------------------------------------------------------------------------------- */

static void
create_checked(struct api *api, struct job *job)
{
	const struct message_result *result = &job->result;

	if (result->verdict == VERDICT_EXITED && result->exit_code == 0) {
		reply_session(api, job, 201);
		return;
	}
	(void)session_end(api->config.sessions, job->session, NULL);
	int error = result->verdict == VERDICT_EXITED ? result->exit_code : result->error;
	if (result->verdict == VERDICT_EXITED && error != ENOSPC && error != EFBIG)
		api_fail(api, job, FAULT_INVALID_REQUEST, "files or cwd: %s", strerror(error));
	else
		(void)api_operation_ok(api, job, "files");
}

static void
create_answered(struct api *api, struct job *job, int error)
{
	if (error) {
		fail_session(api, job, error);
		return;
	}
	if (job->create.parcel < 0) {
		reply_session(api, job, 201);
		return;
	}
	api_operate(api, job, OPERATION_CHECK_CWD, job->create.parcel, create_checked);
	job->create.parcel = -1;
}

void
api_session_create(struct api *api, struct job *job, const struct json_value *body)
{
	struct request_rules rules = api_rules(api, NULL);
	struct request_error error;
	struct session_request *create = &job->create;

	if (request_session(create, body, &rules, &error)) {
		api_reply_error(api, job, &error);
		return;
	}
	struct session_wish wish = {
		.env = create->env, .env_len = create->env_len, .cwd = create->cwd, .limits = create->limits,
		.network = create->network, .ttl_s = create->ttl_s, .disk_kb = create->limits.disk_kb,
	};
	wish.limits.disk_kb = 0;
	int failed = session_create(api->config.sessions, &wish, api->wait, &job->session, &job->serial);
	/* It points into the document, which goes. */
	free(create->env);
	create->env = NULL;
	wait_for_answer(api, job, failed, create_answered);
}

/* --- changing -------------------------------------------------------------------------------------- */

void
api_session_env(struct api *api, struct job *job, const struct json_value *body)
{
	struct variable *env = NULL;
	struct request_error error;
	size_t len;

	if (request_env(&env, &len, body, &error)) {
		api_reply_error(api, job, &error);
		return;
	}
	int failed = session_set_env(api->config.sessions, job->session, env, len, REQUEST_VARIABLES_MAX,
	    REQUEST_ENV_MAX, &job->serial);
	free(env);
	if (failed == -E2BIG) {
		api_fail(api, job, FAULT_INVALID_REQUEST, "env: a session has at most %d variables of %d bytes "
		    "in all", REQUEST_VARIABLES_MAX, REQUEST_ENV_MAX);
		return;
	}
	wait_for_answer(api, job, failed, show_measured);
}

static void
cwd_checked(struct api *api, struct job *job)
{
	struct request_error error;
	const struct message_result *result = &job->result;

	if (result->verdict == VERDICT_EXITED && result->exit_code != 0) {
		(void)request_fail(&error, FAULT_INVALID_REQUEST, "cwd", "%s", strerror(result->exit_code));
		api_reply_error(api, job, &error);
		return;
	}
	if (!api_operation_ok(api, job, "cwd"))
		return;
	int failed = session_set_cwd(api->config.sessions, job->session, job->cwd, &job->serial);
	wait_for_answer(api, job, failed, show_measured);
}

void
api_session_cwd(struct api *api, struct job *job, const struct json_value *body)
{
	struct request_error error;
	struct str cwd;

	if (request_cwd(&cwd, body, &error)) {
		api_reply_error(api, job, &error);
		return;
	}
	char *copy = strndup(cwd.data, cwd.len);
	job->cwd = str_of(copy);
	api_operate(api, job, OPERATION_CHECK_CWD, copy ? request_operation(&cwd, 1) : -ENOMEM, cwd_checked);
}

/* --- ending ---------------------------------------------------------------------------------------- */

static void
ended(struct api *api, struct job *job, int error)
{
	if (error)
		fail_session(api, job, error);
	else
		api_reply(api, job, 204, NULL);
}

void
api_session_end(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	int error = session_end(api->config.sessions, job->session, &job->serial);
	wait_for_answer(api, job, error, ended);
}
