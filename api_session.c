/* api_session.c - the routes of sessions: create, list, show, change, end */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_private.h"
#include "time_text.h"

enum { SESSION_TEXT_MAX = 8 << 20, LIST_MAX = 256 << 20 };

static void
write_time(struct buf *out, const char *name, int64_t ms)
{
	char text[TIME_TEXT_SIZE];

	time_text_ms(text, ms);
	buf_printf(out, ", \"%s\": \"%s\"", name, text);
}

static void
write_limits(struct buf *out, const struct limits *limits)
{
	struct limits resolved = *limits;

	limits_resolve(&resolved, NULL);
	buf_puts(out, ", \"limits\": {");
	for (int i = 0, written = 0; i < LIMITS_LEN; i++)
		if (i != LIMIT_DISK)
			buf_printf(out, "%s\"%s\": %llu", written++ ? ", " : "", limit_fields[i].name,
			    (unsigned long long)limits_get(&resolved, (enum limit_id)i));
	buf_putc(out, '}');
}

static void
write_session(struct buf *out, const struct session *session)
{
	int64_t now = wait_wall_clock_ms();

	buf_printf(out, "{\"session_id\": \"%s\", \"id\": \"%s\", \"env\": {", session->id, session->id);
	for (size_t i = 0; i < session->env_len; i++) {
		buf_puts(out, i ? ", " : "");
		json_write_string(out, session->env[i].name);
		buf_puts(out, ": ");
		json_write_string(out, session->env[i].value);
	}
	buf_puts(out, "}, \"cwd\": ");
	json_write_string(out, session->cwd);
	/* The request that asks is itself in hand. */
	int64_t idle_ms = session->busy > 1 || session->running ? 0 : now - session->used_ms;
	buf_printf(out, ", \"age_secs\": %lld, \"idle_secs\": %lld", (long long)((now - session->created_ms) / 1000),
	    (long long)(idle_ms > 0 ? idle_ms / 1000 : 0));
	write_time(out, "created_at", session->created_ms);
	write_time(out, "last_used_at", session->used_ms);
	write_time(out, "expires_at", (session->busy ? now : session->used_ms) + (int64_t)session->ttl_s * 1000);
	buf_printf(out, ", \"ttl\": %llu, \"running\": %u", (unsigned long long)session->ttl_s, session->running);
	write_limits(out, &session->limits);
	buf_printf(out, ", \"network\": \"%s\", \"disk\": %llu, \"disk_used\": %llu}",
	    session->network == NETWORK_HOST ? "host" : "none", (unsigned long long)session->disk_kb,
	    (unsigned long long)session->disk_used_kb);
}

static void
reply_session(struct api *api, struct job *job, int status)
{
	struct buf body;
	char fields[128] = "";

	if (status == 201)
		snprintf(fields, sizeof(fields), "Location: /sessions/%s\r\n", job->session->id);
	buf_init(&body, SESSION_TEXT_MAX);
	write_session(&body, job->session);
	buf_putc(&body, '\n');
	api_reply_json(api, job, status, fields, &body);
}

static void
fail_session(struct api *api, struct job *job, int error)
{
	if (error == ENOENT)
		api_fail(api, job, 404, "session_not_found", "session not found");
	else if (error == ENOSPC || error == ENOMEM)
		api_fail(api, job, 503, "overloaded", "not enough memory for it: %s", strerror(error));
	else if (error == EMFILE)
		api_fail(api, job, 429, "too_many_sessions", "there are %zu sessions already",
		    sessions_len(api->config.sessions));
	else if (error == EPIPE)
		api_fail(api, job, 503, "draining", "the server is ending");
	else
		api_fail(api, job, 500, "internal", "the session cannot be kept: %s", strerror(error));
}

static void
wait_for_answer(struct api *api, struct job *job, int error, void (*answered)(struct api *, struct job *, int))
{
	job->answered = answered;
	if (error)
		fail_session(api, job, -error);
}

/* --- showing --------------------------------------------------------------------------------------- */

void
api_sessions_list(struct api *api, struct job *job, const struct json_value *unused)
{
	struct session *session;
	struct buf body;
	bool first = true;

	(void)unused;
	buf_init(&body, LIST_MAX);
	buf_putc(&body, '[');
	for (size_t i = 0; (session = sessions_at(api->config.sessions, i)); i++) {
		if (session->state != SESSION_LIVE)
			continue;
		buf_puts(&body, first ? "" : ",\n ");
		write_session(&body, session);
		first = false;
	}
	buf_puts(&body, "]\n");
	api_reply_json(api, job, 200, NULL, &body);
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
		api_fail(api, job, 400, "invalid_request", "files or cwd: %s", strerror(error));
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
		api_fail(api, job, 400, "invalid_request", "env: a session has at most %d variables of %d bytes "
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
		request_fail(&error, 400, "invalid_request", "cwd", "cwd: %s", strerror(result->exit_code));
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
	int parcel = request_operation(&cwd, 1);
	if (!copy || parcel < 0) {
		free(copy);
		if (parcel >= 0)
			api_close_fd(parcel);
		api_fail(api, job, 503, "overloaded", "out of memory");
		return;
	}
	job->cwd = str_of(copy);
	api_operate(api, job, OPERATION_CHECK_CWD, parcel, cwd_checked);
}

/* --- ending ---------------------------------------------------------------------------------------- */

static void
ended(struct api *api, struct job *job, int error)
{
	if (error)
		fail_session(api, job, error);
	else
		api_reply_empty(api, job, 204);
}

void
api_session_end(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	int error = session_end(api->config.sessions, job->session, &job->serial);
	wait_for_answer(api, job, error, ended);
}
