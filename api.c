/* api.c - routes, who may ask, jobs and their queue, replies and the log
 *
 * Theory of operation. A request that has come becomes a job, found by its client's slot. The route table says what begins it. A job
 * then waits for one thing at a time: its body, room for a run, its run's end, the launcher's answer, its client. It goes when its
 * reply is sent or its client is gone; a run that nobody waits for is abandoned. */
#include "api_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "format.h"
#include "launcher.h"
#include "log.h"
#include "result.h"
#include "token.h"

#ifndef OPENSANDBOX_VERSION
#define OPENSANDBOX_VERSION "0.1.0"
#endif

enum {
	ERROR_MAX = 2048,
	HELD_MAX = 512 << 20,		/* bytes that all jobs together may hold */
	SLOW_S = 10,			/* a reply that has been taken for so long may have to make room */
	LONG_S = 30,			/* an operation that has gone on for so long may have to … */
	PATIENCE_S = 2,			/* … for one that has waited for so long */
	BEARER_LEN = 7,			/* of "Bearer " */
};

/* --- replies -------------------------------------------------------------------------------------- */

NO_DOUBLES
void
api_field(struct job *job, const char *format, ...)
{
	size_t len = strlen(job->fields);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(job->fields + len, sizeof(job->fields) - len, format, arguments);
	va_end(arguments);
}

static void
reply(struct api *api, struct job *job, int status, const char *type, struct buf *body)
{
	if (body && body->failed) {
		buf_free(body);
		body = NULL;
		type = NULL;
		status = 503;
	}
	job->status = status;
	job->replied = true;
	job->replied_at = api->now;
	(void)api_hold(api, job, body ? body->size : 0);
	if (http_reply(api->config.http, job->client, status, type, job->fields, body) && body)
		buf_free(body);
}

void
api_reply(struct api *api, struct job *job, int status, struct buf *body)
{
	reply(api, job, status, body ? "application/json" : NULL, body);
}

bool
api_begin_reply(struct api *api, struct job *job, int status, const char *type, int64_t length)
{
	job->status = status;
	return !http_reply_begin(api->config.http, job->client, status, type, job->fields, length);
}

void
api_reply_error(struct api *api, struct job *job, const struct request_error *error)
{
	struct buf body;

	buf_init(&body, ERROR_MAX);
	buf_puts(&body, "{\"error\": ");
	json_write_string(&body, str_of(error->text));
	buf_printf(&body, ", \"code\": \"%s\"", error->code);
	if (error->field[0]) {
		buf_puts(&body, ", \"field\": ");
		json_write_string(&body, str_of(error->field));
	}
	buf_puts(&body, "}\n");
	if (error->status == 503 || error->status == 429)
		api_field(job, "Retry-After: %d\r\n", RETRY_AFTER_S);
	api_reply(api, job, error->status, &body);
}

NO_DOUBLES
void
api_fail(struct api *api, struct job *job, enum fault fault, const char *format, ...)
{
	struct request_error error;
	va_list arguments;

	va_start(arguments, format);
	request_vfail(&error, fault, NULL, format, arguments);
	va_end(arguments);
	api_reply_error(api, job, &error);
}

/* --- jobs ------------------------------------------------------------------------------------------ */

static uint64_t
owner_of(const struct job *job)
{
	return (uint64_t)job->client.slot << 32 | job->client.generation;
}

static struct job *
find_job(struct api *api, struct http_client client)
{
	struct job *job = client.slot < api->jobs_len ? api->jobs[client.slot] : NULL;
	return job && job->client.generation == client.generation ? job : NULL;
}

static struct job *
job_of_owner(struct api *api, uint64_t owner)
{
	return find_job(api, (struct http_client){ (uint32_t)(owner >> 32), (uint32_t)owner });
}

static void
free_text(struct str *text)
{
	union {
		const char *borrowed;
		char *owned;
	} data = { text->data };
	free(data.owned);
	*text = (struct str){ NULL, 0 };
}

static void
leave_queue(struct api *api, struct job *job)
{
	if (!job->queued)
		return;
	for (struct job **link = &api->queue; *link; link = &(*link)->queue_next)
		if (*link == job) {
			*link = job->queue_next;
			if (!job->queue_next)
				api->queue_end = link;
			break;
		}
	job->queued = false;
	api->queue_len--;
}

static void
close_spec(struct job *job)
{
	if (!job->has_spec)
		return;
	close(job->spec.parcel);
	if (job->spec.input >= 0)
		close(job->spec.input);
	job->has_spec = false;
}

/* What a job holds in memory is counted from its body's end to its reply's: its parcel, then what its run may put out, then its
 * reply until its client has taken it. */
bool
api_hold(struct api *api, struct job *job, uint64_t bytes)
{
	api->held += bytes - job->held;
	job->held = bytes;
	return api->held <= HELD_MAX;
}

static bool
is_operation(const struct job *job)
{
	return job->spec.operation != OPERATION_COMMAND;
}

/* Its run is over, or nobody's any more. */
static void
stop_running(struct api *api, struct job *job)
{
	if (!job->running)
		return;
	job->running = false;
	api->operations -= is_operation(job);
	if (job->session)
		job->session->running--;
}

static void
free_job(struct api *api, struct job *job)
{
	leave_queue(api, job);
	close_spec(job);
	if (job->handle && job->keep_handle)
		sandbox_free(api->config.sandbox, job->handle);
	else if (job->handle)
		sandbox_abandon(api->config.sandbox, job->handle);
	stop_running(api, job);
	(void)api_hold(api, job, 0);
	run_request_free(&job->run);
	session_request_free(&job->create);
	free_text(&job->path);
	free_text(&job->cwd);
	buf_free(&job->text);
	if (job->session) {
		/* A session whose creation nobody waits for any more is nobody's. */
		if (!job->replied && job->route->begin == api_session_create &&
		    job->session->state <= SESSION_LIVE)
			(void)session_end(api->config.sessions, job->session, NULL);
		session_leave(api->config.sessions, job->session, api->wait);
	}
	api->jobs[job->client.slot] = NULL;
	api->busy--;
	free(job);
}

static bool
id_is_plain(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!byte_is_alnum(id.data[i]) && (!id.data[i] || !strchr("-_.:+/=", id.data[i])))
			return false;
	return id.len > 0 && id.len <= 64;
}

static void
set_request_id(struct job *job, const struct http_request *request)
{
	unsigned long long random = 0;
	size_t count = 0;
	struct str given = request ? http_field(request, "x-request-id", &count) : (struct str){ NULL, 0 };

	if (count == 1 && id_is_plain(given)) {
		snprintf(job->request_id, sizeof(job->request_id), "%.*s", (int)given.len, given.data);
	} else {
		(void)!getrandom(&random, sizeof(random), 0);
		snprintf(job->request_id, sizeof(job->request_id), "%016llx", random);
	}
	api_field(job, "X-Request-Id: %s\r\n", job->request_id);
}

/* What follows the scheme of a request's Authorization. */
static struct str
token_of(const struct http_request *request, struct str *scheme, size_t *count)
{
	struct str field = http_field(request, "authorization", count);

	*scheme = (struct str){ field.data, field.len < BEARER_LEN ? field.len : BEARER_LEN };
	return str_skip(field, scheme->len);
}

/* Whoever has shown a token is known by it, anybody else by address or, behind a unix socket, by uid. A token that is not asked
 * for says nothing: anyone could show a new one each time. */
static uint64_t
asker_of(const struct api *api, const struct http_request *request)
{
	const struct sockaddr *peer = (const struct sockaddr *)&request->peer;
	struct str who = { (const char *)&request->peer_uid, sizeof(request->peer_uid) }, scheme;
	size_t count;

	if (api->tokens.required)
		who = token_of(request, &scheme, &count);
	else if (peer->sa_family == AF_INET)
		who = (struct str){ (const char *)&((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4 };
	else if (peer->sa_family == AF_INET6)	/* One client has a /64. */
		who = (struct str){ (const char *)&((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 8 };
	return str_hash(who);
}

/* NULL where there is no memory for it: the client is told. */
static struct job *
new_job(struct api *api, struct http_client client, const struct http_request *request)
{
	struct job *job = client.slot < api->jobs_len ? calloc(1, sizeof(*job)) : NULL;

	if (!job) {
		(void)http_reply(api->config.http, client, 503, NULL, NULL, NULL);
		return NULL;
	}
	job->client = client;
	job->began = api->now;
	job->run.parcel = job->run.input = job->create.parcel = -1;
	buf_init(&job->run.copies, 1);
	buf_init(&job->text, 1);
	set_request_id(job, request);
	api->jobs[client.slot] = job;
	api->busy++;
	return job;
}

/* --- runs ------------------------------------------------------------------------------------------ */

struct request_rules
api_rules(const struct api *api, const struct session *session)
{
	struct request_rules rules = api->config.rules;

	if (session) {
		rules.in_session = true;
		rules.defaults = &session->limits;
		rules.env = session->env;
		rules.env_len = session->env_len;
		rules.cwd = session->cwd;
	}
	return rules;
}

int
api_null(struct api *api, struct job *job)
{
	int fd = fcntl(api->config.null, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		api_fail(api, job, FAULT_OVERLOADED, "no descriptor: %s", strerror(errno));
	return fd;
}

/* Replies that nobody takes must not keep others from running: the one that has been taken for longest goes. Nor must operations
 * keep an operation waiting whose asker has nothing else: the one of others that has gone on for longest goes. */
static void
cut_slowest(struct api *api, const struct job *waiting)
{
	struct job *slowest = NULL;
	int64_t first = api->now - (waiting ? LONG_S : SLOW_S) * 1000000000ll;

	for (size_t i = 0; i < api->jobs_len; i++) {
		struct job *job = api->jobs[i];
		if (!job || job->cut ||
		    (waiting ? !job->running || !is_operation(job) || job->asker == waiting->asker : !job->replied || !job->held))
			continue;
		int64_t since = waiting ? job->started : job->replied_at;
		if (since < first) {
			first = since;
			slowest = job;
		}
	}
	if (slowest) {
		slowest->cut = true;
		http_cut(api->config.http, slowest->client);
	}
}

/* Operations may take as long as a client's line does, so they never have all runs. */
static bool
operations_full(const struct api *api)
{
	return api->operations && api->operations >= api->config.runs_max / 2;
}

static bool
may_start(struct api *api, const struct job *job)
{
	return !is_operation(job) || !operations_full(api);
}

static bool
start_now(struct api *api, struct job *job)
{
	const struct sandbox_spec *spec = &job->spec;
	uint64_t held = spec->output == SANDBOX_KEEP ? (spec->limits.output_kb << 11) + spec->copy_out_max : 0;

	if (!sandbox_room(api->config.sandbox) || !may_start(api, job))
		return false;
	/* One job may always go on: else a run with a large output would wait for ever. */
	if (api->held > job->held && api->held + held > HELD_MAX) {
		cut_slowest(api, NULL);
		return false;
	}
	job->has_spec = false;
	job->started = api->now;
	int error = sandbox_start(api->config.sandbox, spec, &job->handle);
	if (error) {
		bool full = error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOSPC;
		job->handle = NULL;
		api_fail(api, job, full ? FAULT_OVERLOADED : FAULT_INTERNAL, "cannot start a run: %s", strerror(-error));
		return true;
	}
	(void)api_hold(api, job, job->held + held);
	job->running = true;
	api->operations += is_operation(job);
	if (job->session)
		job->session->running++;
	return true;
}

static size_t
count_queued(const struct api *api, uint64_t asker)
{
	size_t count = 0;

	for (const struct job *job = api->queue; job; job = job->queue_next)
		count += job->asker == asker;
	return count;
}

/* The queue is full: the newest job of whoever has most in it gives way, unless that is who asks. */
static bool
make_room(struct api *api, const struct job *asking)
{
	struct job *newest = NULL;
	size_t most = count_queued(api, asking->asker) + 1;

	for (struct job *job = api->queue; job; job = job->queue_next) {
		size_t count = newest && newest->asker == job->asker ? most : count_queued(api, job->asker);
		if (count >= most && job->asker != asking->asker) {
			most = count;
			newest = job;
		}
	}
	if (!newest)
		return false;
	leave_queue(api, newest);
	close_spec(newest);
	api_fail(api, newest, FAULT_OVERLOADED, "too many requests are waiting");
	return true;
}

/* Askers take turns: one that has nothing waiting comes in at the turn that the queue is at, and each further job of its own is a
 * turn later. So who has a thousand waiting is before another only once. */
static uint64_t
turn_of(const struct api *api, const struct job *asking)
{
	uint64_t turn = api->turn;

	for (const struct job *job = api->queue; job; job = job->queue_next)
		if (job->asker == asking->asker && job->turn >= turn)
			turn = job->turn + 1;
	return turn;
}

void
api_start(struct api *api, struct job *job)
{
	job->spec.owner = owner_of(job);
	job->has_spec = true;
	job->has_result = false;
	job->queued_at = api->now;
	if (!api->queue_len && start_now(api, job))
		return;
	if (api->queue_len >= QUEUE_MAX && !make_room(api, job)) {
		close_spec(job);
		api_fail(api, job, FAULT_OVERLOADED, "%zu requests are waiting already", api->queue_len);
		return;
	}
	job->turn = turn_of(api, job);
	job->queue_next = NULL;
	*api->queue_end = job;
	api->queue_end = &job->queue_next;
	job->queued = true;
	api->queue_len++;
}

/* The next of the queue: of those that can start, the one of whoever has the fewest runs now; then whose turn it is. If stuck, of
 * those that cannot, and of askers without any. */
static struct job *
next_queued(struct api *api, bool stuck)
{
	uint64_t running[LAUNCHER_RUNS_MAX];
	struct job *next = NULL;
	size_t len = 0, fewest = stuck ? 1 : SIZE_MAX;

	for (size_t i = 0; i < api->jobs_len && len < LAUNCHER_RUNS_MAX; i++)
		if (api->jobs[i] && api->jobs[i]->running)
			running[len++] = api->jobs[i]->asker;
	for (struct job *job = api->queue; job; job = job->queue_next) {
		size_t count = 0;
		if (may_start(api, job) == stuck)
			continue;
		for (size_t i = 0; i < len; i++)
			count += running[i] == job->asker;
		if (count < fewest || (next && count == fewest && job->turn < next->turn)) {
			fewest = count;
			next = job;
		}
	}
	return next;
}

static void
start_queued(struct api *api)
{
	struct job *job;

	while (api->queue && sandbox_room(api->config.sandbox) && (job = next_queued(api, false))) {
		if (!start_now(api, job))
			return;
		api->turn = job->turn;
		leave_queue(api, job);
		if (!job->replied && job->moved)
			job->moved(api, job);
	}
	/* Nobody is looked for where nobody can be: this is done at each event. */
	if (operations_full(api) && (job = next_queued(api, true)) && job->queued_at + PATIENCE_S * 1000000000ll < api->now)
		cut_slowest(api, job);
}

void
api_run_event(struct api *api, const struct sandbox_event *event, const struct wait *wait)
{
	struct job *job = job_of_owner(api, event->owner);

	api->now = wait->now;
	if (!job || job->handle != event->run)
		return;
	if (event->type != SANDBOX_ENDED) {
		if (job->moved && !job->replied)
			job->moved(api, job);
		return;
	}
	if (job->keep_handle)
		return;
	job->has_result = true;
	job->result = *sandbox_result(job->handle);
	stop_running(api, job);
	if (job->session)
		job->session->disk_used_kb = job->result.disk_used_kb;
	(void)api_hold(api, job, 0);
	struct sandbox_run *ended = job->handle;
	if (job->ended)
		job->ended(api, job);
	/* What it ended with is used up, unless its client still takes it; a job may have started another. */
	if (!job->keep_handle) {
		sandbox_free(api->config.sandbox, ended);
		if (job->handle == ended)
			job->handle = NULL;
	}
	start_queued(api);
}

bool
api_operation_ok(struct api *api, struct job *job, const char *what)
{
	const struct message_result *result = &job->result;
	int error = result->exit_code;
	const char *why = strerror(error);
	enum fault fault = FAULT_INVALID_REQUEST;

	if (result->verdict == VERDICT_INTERNAL && result->error == ENOENT) {
		api_fail(api, job, FAULT_NO_SESSION, "session not found");
		return false;
	}
	if (result->verdict == VERDICT_CANCELED) {
		fault = FAULT_DRAINING;
		what = "canceled";
		why = "the session or the server is ending";
	} else if (result->verdict != VERDICT_EXITED) {
		fault = FAULT_INTERNAL;
		what = result->step[0] ? result->step : "file operation";
		why = result->error ? strerror(result->error) : result_status(result->verdict);
	} else if (error == 0) {
		return true;
	} else if (error == ENOENT || error == ENOTDIR) {
		fault = FAULT_NO_FILE;
		why = what;
		what = "file not found";
	} else if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM) {
		fault = FAULT_DISK_FULL;
	} else if (error == EACCES || error == EPERM || error == EROFS || error == EBUSY) {
		fault = FAULT_FORBIDDEN;
	}
	api_fail(api, job, fault, "%s: %s", what, why);
	return false;
}

/* --- small routes ---------------------------------------------------------------------------------- */

static void
show_health(struct api *api, struct job *job, const struct json_value *unused)
{
	struct buf body;

	(void)unused;
	buf_init(&body, 64);
	buf_puts(&body, api->draining ? "draining" : "OK");
	reply(api, job, api->draining ? 503 : 200, "text/plain", &body);
}

static void
show_version(struct api *api, struct job *job, const struct json_value *unused)
{
	enum { VERSION_MAX = 65536 + CHECK_JSON_MAX };
	const struct request_rules *rules = &api->config.rules;
	struct buf body;
	uint64_t disk = 0, used = 0;

	(void)unused;
	buf_init(&body, VERSION_MAX);
	buf_printf(&body, "{\"name\": \"opensandbox\", \"version\": \"%s\", \"node\": ", OPENSANDBOX_VERSION);
	json_write_string(&body, str_of(api->config.node));
	buf_puts(&body, ", \"kernel\": ");
	json_write_string(&body, str_of(api->config.kernel));
	buf_printf(&body, ", \"network\": \"%s\", \"limits\": {", rules->network_host ? "host" : "none");
	for (int i = 0; i < LIMITS_LEN; i++) {
		buf_printf(&body, "%s\"%s\": {\"default\": ", i ? ", " : "", limit_fields[i].name);
		if (limit_fields[i].standard)
			buf_printf(&body, "%llu", (unsigned long long)limit_fields[i].standard);
		else
			buf_puts(&body, "null");
		buf_printf(&body, ", \"max\": %llu}",
		    (unsigned long long)request_greatest(rules, (enum limit_id)i));
	}
	struct session *session;
	for (size_t i = 0; (session = sessions_at(api->config.sessions, i)); i++) {
		disk += session->disk_kb;
		used += session->disk_used_kb;
	}
	buf_printf(&body, "}, \"runs\": {\"max\": %u, \"running\": %u, \"queued\": %zu}", api->config.runs_max,
	    api->config.runs_max - sandbox_room(api->config.sandbox), api->queue_len);
	buf_printf(&body, ", \"sessions\": {\"max\": %zu, \"count\": %zu, \"disk\": %llu, \"disk_used\": %llu}",
	    sessions_max(api->config.sessions), sessions_len(api->config.sessions), (unsigned long long)disk,
	    (unsigned long long)used);
	buf_append_str(&body, api->config.facts);
	buf_puts(&body, "}\n");
	api_reply(api, job, 200, &body);
}

/* --- routes ---------------------------------------------------------------------------------------- */

static const struct route routes[] = {
	{ HTTP_POST, "/run", true, false, api_run },
	{ HTTP_GET, "/health", false, true, show_health },
	{ HTTP_GET, "/version", false, false, show_version },
	{ HTTP_GET, "/sessions", false, false, api_sessions_list },
	{ HTTP_POST, "/sessions", true, false, api_session_create },
	{ HTTP_GET, "/sessions/:", false, false, api_session_show },
	{ HTTP_DELETE, "/sessions/:", false, false, api_session_end },
	{ HTTP_POST, "/sessions/:/run", true, false, api_run },
	{ HTTP_POST, "/sessions/:/env", true, false, api_session_env },
	{ HTTP_POST, "/sessions/:/cwd", true, false, api_session_cwd },
	{ HTTP_PUT, "/sessions/:/files/*", false, false, api_file_put },
	{ HTTP_GET, "/sessions/:/files/*", false, false, api_file_get },
	{ HTTP_HEAD, "/sessions/:/files/*", false, false, api_file_head },
	{ HTTP_DELETE, "/sessions/:/files/*", false, false, api_file_delete },
};

enum { ROUTES_LEN = sizeof(routes) / sizeof(routes[0]) };

/* Whether a path has a pattern's form; the parts that vary are given out. */
static bool
route_matches(const char *pattern, struct str path, struct str *id, struct str *rest)
{
	for (;;) {
		if (*pattern == '*') {
			*rest = path;
			return true;
		}
		if (*pattern == ':') {
			*id = str_until(path, "/");
			if (!id->len)
				return false;
			path = str_skip(path, id->len);
			pattern++;
			continue;
		}
		if (!*pattern || !path.len)
			return !*pattern && !path.len;
		if (*pattern++ != *path.data)
			return false;
		path = str_skip(path, 1);
	}
}

/* The route of a request; HEAD is GET without a body where nothing else is said. `allow` collects the methods that the path has. */
static const struct route *
find_route(const struct http_request *request, struct str *id, struct str *rest, char *allow, size_t size)
{
	const struct route *get = NULL;

	for (size_t i = 0; i < ROUTES_LEN; i++) {
		struct str route_id = { NULL, 0 }, route_rest = { NULL, 0 };
		if (!route_matches(routes[i].pattern, request->path, &route_id, &route_rest))
			continue;
		*id = route_id;
		*rest = route_rest;
		if (routes[i].method == request->method)
			return &routes[i];
		if (routes[i].method == HTTP_GET)
			get = &routes[i];
		if (routes[i].method == HTTP_HEAD)
			continue;		/* named with GET */
		size_t len = strlen(allow);
		snprintf(allow + len, size - len, "%s%s%s", len ? ", " : "", http_method_name(routes[i].method),
		    routes[i].method == HTTP_GET ? ", HEAD" : "");
	}
	return request->method == HTTP_HEAD ? get : NULL;
}

/* --- who may ask ----------------------------------------------------------------------------------- */

static bool
is_address(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!(name.data[i] >= '0' && name.data[i] <= '9') && name.data[i] != '.')
			return false;
	return name.len > 0;
}

/* "name", "name:port", "[::1]:port" */
static bool
host_allowed(const struct api *api, struct str host)
{
	struct str name = str_until(host, ":");

	if (str_begins(host, "[") || str_is_nocase(name, "localhost") || is_address(name))
		return true;
	for (size_t i = 0; i < api->config.allow_host->len; i++)
		if (str_is_nocase(name, api->config.allow_host->values[i]))
			return true;
	return false;
}

/* A page that another site served must not ask in the name of whoever looks at it. */
static bool
origin_allowed(struct str origin, struct str host)
{
	size_t scheme = str_begins(origin, "http://") ? 7 : str_begins(origin, "https://") ? 8 : 0;

	return scheme && str_eq_nocase(str_skip(origin, scheme), host);
}

static bool
may_ask(struct api *api, struct job *job, const struct http_request *request)
{
	size_t count;

	if (api->tokens.required) {
		struct str scheme, token = token_of(request, &scheme, &count);
		if (count == 1 && str_is_nocase(scheme, "bearer ") && token_known(&api->tokens, token))
			return true;
		api_field(job, "WWW-Authenticate: Bearer\r\n");
		api_fail(api, job, FAULT_UNAUTHORIZED, count ? "the token is not known" :
		    "a token is needed: Authorization: Bearer TOKEN");
		return false;
	}
	if (api->config.listener_is_unix[request->listener])
		return true;
	if (request->host.len && !host_allowed(api, request->host)) {
		api_fail(api, job, FAULT_FORBIDDEN, "the Host field names no address, nor localhost, nor a "
		    "name given by --allow-host");
		return false;
	}
	struct str origin = http_field(request, "origin", &count);
	if (count && (count > 1 || !origin_allowed(origin, request->host))) {
		api_fail(api, job, FAULT_FORBIDDEN, "a page of another origin asks");
		return false;
	}
	return true;
}

static bool
is_json(const struct http_request *request)
{
	size_t count;
	struct str type = http_field(request, "content-type", &count);

	return count == 1 && str_is_nocase(str_until(type, "; \t"), "application/json");
}

/* --- requests -------------------------------------------------------------------------------------- */

static bool
set_session(struct api *api, struct job *job, struct str id)
{
	struct session *session = session_find(api->config.sessions, id);
	if (session) {
		job->session = session;
		session_enter(session);
		return true;
	}
	/* "<node>-<uuid>": a session of another machine is answered there (fly.io/docs: fly-replay). */
	if (api->config.fly && id.len > 37 && id.len < MESSAGE_ID_MAX) {
		struct str node = { id.data, id.len - 37 };
		bool plain = true;
		for (size_t i = 0; i < node.len; i++)
			plain &= (node.data[i] >= 'a' && node.data[i] <= 'z') ||
			    (node.data[i] >= '0' && node.data[i] <= '9');
		if (plain && !str_is(node, api->config.node))
			api_field(job, "fly-replay: instance=%.*s\r\n", (int)node.len, node.data);
	}
	api_fail(api, job, FAULT_NO_SESSION, "session not found: %.*s",
	    (int)(id.len < 80 && utf8_valid(id) ? id.len : 0), id.data);
	return false;
}

/* "/a/b": decoded, refusing what names another place than it shows. */
static bool
set_path(struct api *api, struct job *job, struct str rest)
{
	struct buf path;

	buf_init(&path, REQUEST_PATH_MAX + 2);
	buf_putc(&path, '/');
	bool bad = http_decode(&path, rest) || path.failed || str_has_nul(buf_str(&path));
	for (size_t at = 0; !bad && at < path.len;) {
		struct str part = str_until(str_skip(buf_str(&path), at), "/");
		bad = (part.len == 0 && at > 0) || str_is(part, ".") || str_is(part, "..");
		at += part.len + 1;
	}
	if (bad) {
		buf_free(&path);
		api_fail(api, job, FAULT_INVALID_REQUEST, "the path of a file has a bad escape, a NUL, '.' or '..', "
		    "or is too long");
		return false;
	}
	job->path = (struct str){ path.data, path.len };
	return true;
}

static void
begin_job(struct api *api, struct job *job, const struct http_request *request)
{
	char allow[64] = "";
	struct str id = { NULL, 0 }, rest = { NULL, 0 };

	job->route = find_route(request, &id, &rest, allow, sizeof(allow));
	if (!(job->route && job->route->open) && !may_ask(api, job, request))
		return;
	if (!job->route) {
		if (*allow) {
			api_field(job, "Allow: %s\r\n", allow);
			api_fail(api, job, FAULT_METHOD, "this path has %s", allow);
		} else {
			api_fail(api, job, FAULT_NOT_FOUND, "no such path");
		}
		return;
	}
	if (id.data && !set_session(api, job, id))
		return;
	if (rest.data && !set_path(api, job, rest))
		return;
	if (api->draining && !job->route->open && job->route->method != HTTP_GET &&
	    job->route->method != HTTP_DELETE) {
		api_fail(api, job, FAULT_DRAINING, "the server is ending");
		return;
	}
	if (!job->route->has_body) {
		job->route->begin(api, job, NULL);
		return;
	}
	if (request->has_body && !is_json(request)) {
		api_fail(api, job, FAULT_MEDIA_TYPE, "the body must come with "
		    "Content-Type: application/json");
		return;
	}
	(void)http_body_keep(api->config.http, job->client);
}

static void
take_body(struct api *api, struct job *job)
{
	struct json_error fault;
	struct request_error error;
	struct str text = http_body(api->config.http, job->client);

	/* It may have been deleted while the body came. */
	if (job->session && job->session->state != SESSION_LIVE) {
		api_fail(api, job, FAULT_NO_SESSION, "session not found: %s", job->session->id);
		return;
	}
	if (!text.len && job->route->begin == api_session_create) {
		job->route->begin(api, job, NULL);
		return;
	}
	struct json *json = json_parse(text, &fault);
	http_body_drop(api->config.http, job->client);
	if (!json) {
		request_json_error(&error, &fault);
		api_reply_error(api, job, &error);
		return;
	}
	job->route->begin(api, job, json_root(json));
	json_free(json);
}

static void
log_job(struct api *api, const struct job *job)
{
	struct log_line line = {
		.id = job->request_id, .method = job->route ? http_method_name(job->route->method) : "-",
		.route = job->route ? job->route->pattern : "-", .status = job->status, .sent = job->sent,
		.ns = api->now - job->began, .result = job->has_result ? &job->result : NULL,
	};

	log_request(api->config.log_format, &line);
}

static void
take_bad(struct api *api, const struct http_event *event)
{
	struct job *job = find_job(api, event->client);

	if (!job)
		job = new_job(api, event->client, NULL);
	if (!job || job->replied)
		return;
	/* What was begun for it (an upload) ends here. */
	leave_queue(api, job);
	api_fail(api, job, request_fault(event->status), "%s", event->reason);
}

static void
take_event(struct api *api, const struct http_event *event)
{
	struct job *job = find_job(api, event->client);
	const struct http_request *request;

	switch (event->type) {
	case HTTP_REQUEST:
		request = http_request(api->config.http, event->client);
		job = new_job(api, event->client, request);
		if (job) {
			job->asker = asker_of(api, request);
			begin_job(api, job, request);
		}
		return;
	case HTTP_BAD:
		take_bad(api, event);
		return;
	case HTTP_BODY:
		if (job && !job->replied)
			take_body(api, job);
		return;
	case HTTP_CHUNK:
	case HTTP_ROOM:
		if (job && job->moved)
			job->moved(api, job);
		return;
	case HTTP_GONE:
		if (job && !job->replied)
			job->status = 499;	/* the client went first, as nginx writes it */
		/* fallthrough */
	case HTTP_DONE:
		if (!job)
			return;
		job->sent = event->sent;
		log_job(api, job);
		free_job(api, job);
		return;
	case HTTP_NONE:
		return;
	}
}

void
api_answer(struct api *api, const struct message_session *message, const struct wait *wait)
{
	int error = 0;

	api->now = wait->now;
	uint32_t serial = sessions_answer(api->config.sessions, message, &error);
	if (!serial)
		return;
	for (size_t i = 0; i < api->jobs_len; i++) {
		struct job *job = api->jobs[i];
		if (job && job->serial == serial) {
			job->serial = 0;
			job->answered(api, job, error);
			return;
		}
	}
}

/* --- the loop -------------------------------------------------------------------------------------- */

int
api_open(struct api **out, const struct api_config *config)
{
	struct api *api = calloc(1, sizeof(*api));
	if (!api)
		return -ENOMEM;
	api->config = *config;
	api->jobs_len = config->connections_max;
	api->jobs = calloc(api->jobs_len, sizeof(struct job *));
	if (!api->jobs) {
		free(api);
		return -ENOMEM;
	}
	api->queue_end = &api->queue;
	api->tokens.required = 1;	/* until the launcher has said what they are */
	*out = api;
	return 0;
}

void
api_set_tokens(struct api *api, const struct message_tokens *tokens)
{
	api->tokens = *tokens;
}

void
api_drain(struct api *api)
{
	api->draining = true;
	http_drain(api->config.http);
}

void
api_cancel_all(struct api *api)
{
	for (size_t i = 0; i < api->jobs_len; i++) {
		struct job *job = api->jobs[i];
		if (!job || job->replied)
			continue;
		if (job->queued) {
			leave_queue(api, job);
			close_spec(job);
			api_fail(api, job, FAULT_DRAINING, "the server is ending");
		} else if (job->handle) {
			sandbox_cancel(api->config.sandbox, job->handle);
		}
	}
}

size_t
api_busy(const struct api *api)
{
	return api->busy;
}

void
api_wait(struct api *api, struct wait *wait)
{
	http_wait(api->config.http, wait);
	if (api->queue)
		wait_until(wait, api->now + PATIENCE_S * 1000000000ll);
}

void
api_step(struct api *api, struct wait *wait)
{
	struct http_event event;

	api->now = wait->now;
	api->wait = wait;
	http_step(api->config.http, wait);
	while (http_next(api->config.http, &event))
		take_event(api, &event);
	start_queued(api);
}

void
api_close(struct api *api)
{
	for (size_t i = 0; i < api->jobs_len; i++)
		if (api->jobs[i])
			free_job(api, api->jobs[i]);
	free(api->jobs);
	free(api);
}
