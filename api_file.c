/* api_file.c - the routes of a session's files: each is a file operation that runs inside the sandbox, as its user
 *
 * PUT: the body goes to the operation's stdin as it comes. GET: the operation's stdout begins with struct files_head; then a file's
 * bytes go to the client as they come, and a directory's entries become JSON. Both ends are held back by the slower one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api_private.h"
#include "files.h"
#include "time_text.h"

enum { ENTRY_TEXT_MAX = 4096, OPERATION_MEM_KB = 65536 };

/* An operation may write all of the session's disk, and take as long as its client does. */
static struct limits
operation_limits(const struct session *session)
{
	struct limits limits = {
		.time_ms = 600000, .wall_time_ms = limit_fields[LIMIT_WALL_TIME].greatest,
		.mem_kb = session->disk_kb + OPERATION_MEM_KB, .fsize_kb = session->disk_kb, .nofile = 32,
		.procs = 4, .disk_kb = session->disk_kb, .output_kb = 64,
	};

	if (limits.mem_kb > limit_fields[LIMIT_MEM].greatest)
		limits.mem_kb = limit_fields[LIMIT_MEM].greatest;
	limits_resolve(&limits, NULL);
	return limits;
}

void
api_operate(struct api *api, struct job *job, uint32_t operation, int parcel,
    void (*end)(struct api *, struct job *))
{
	int input = -1;

	if (parcel < 0) {
		api_fail(api, job, FAULT_OVERLOADED, "out of memory");
		return;
	}
	if (operation != OPERATION_PUT && (input = api_null(api, job)) < 0) {
		close(parcel);
		return;
	}
	job->spec = (struct sandbox_spec){
		.operation = operation, .session = job->session->id,
		.limits = operation_limits(job->session), .parcel = parcel, .input = input,
		.output = operation == OPERATION_GET ? SANDBOX_STREAM : SANDBOX_KEEP, .errors = SANDBOX_KEEP,
	};
	job->ended = end;
	api_start(api, job);
}

static bool
operation_ok(struct api *api, struct job *job)
{
	char text[128];
	bool plain = utf8_valid(job->path) && job->path.len < sizeof(text);

	snprintf(text, sizeof(text), "%.*s", plain ? (int)job->path.len : 0, job->path.data);
	return api_operation_ok(api, job, text);
}

/* --- PUT ------------------------------------------------------------------------------------------- */

static void
put_ended(struct api *api, struct job *job)
{
	struct buf *output = sandbox_output(job->handle);

	if (job->replied || !operation_ok(api, job))
		return;
	api_reply(api, job, output->len && output->data[0] == '1' ? 204 : 201, NULL);
}

static void
put_moved(struct api *api, struct job *job)
{
	struct http *http = api->config.http;

	if (!job->handle || job->body_over)
		return;
	if (!job->streams_body) {
		job->streams_body = true;
		if (http_body_stream(http, job->client))
			return;
	}
	for (;;) {
		struct str body = http_body(http, job->client);
		if (!body.len)
			break;
		ssize_t n = sandbox_feed(job->handle, body);
		if (n == -EAGAIN)
			return;
		/* Nobody reads any more: its end will say why. */
		http_body_consume(http, job->client, n < 0 ? body.len : (size_t)n);
	}
	if (!http_body_ended(http, job->client))
		return;
	while (job->mark[job->mark_at]) {
		ssize_t n = sandbox_feed(job->handle, str_of(job->mark + job->mark_at));
		if (n == -EAGAIN)
			return;
		if (n < 0)
			break;
		job->mark_at += (size_t)n;
	}
	job->body_over = true;
	sandbox_feed_end(job->handle);
}

/* No body can end so by chance. */
static bool
set_mark(struct job *job)
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	snprintf(job->mark, sizeof(job->mark), "%016llx%016llx", (unsigned long long)random[0],
	    (unsigned long long)random[1]);
	return true;
}

/* "mode=0755", and nothing else. */
static bool
query_mode(struct str query, struct str *mode)
{
	*mode = STR("");
	if (!query.len)
		return true;
	if (!str_begins(query, "mode="))
		return false;
	*mode = str_skip(query, 5);
	for (size_t i = 0; i < mode->len; i++)
		if (mode->data[i] < '0' || mode->data[i] > '7')
			return false;
	return mode->len >= 1 && mode->len <= 4 && (mode->len < 4 || mode->data[0] == '0');
}

void
api_file_put(struct api *api, struct job *job, const struct json_value *unused)
{
	const struct http_request *request = http_request(api->config.http, job->client);
	char length[24] = "";
	struct str mode;

	(void)unused;
	if (!query_mode(request->query, &mode)) {
		api_fail(api, job, FAULT_INVALID_REQUEST, "the query may be mode=0755 (octal, at most 0777)");
		return;
	}
	if (!request->has_body && !request->has_length) {
		api_fail(api, job, FAULT_LENGTH, "a Content-Length is needed, or a chunked body");
		return;
	}
	if (request->has_length && request->length > job->session->disk_kb << 10) {
		api_fail(api, job, FAULT_DISK_FULL, "the body is larger than the session's disk");
		return;
	}
	if (request->has_length)
		snprintf(length, sizeof(length), "%llu", (unsigned long long)request->length);
	else if (!set_mark(job)) {
		api_fail(api, job, FAULT_INTERNAL, "no random bytes");
		return;
	}
	const struct str arguments[] = { job->path, mode, str_of(length), str_of(job->mark) };
	job->moved = put_moved;
	api_operate(api, job, OPERATION_PUT, request_operation(arguments, 4), put_ended);
	put_moved(api, job);
}

/* --- GET ------------------------------------------------------------------------------------------- */

static void
head_fields(struct job *job, const struct files_head *head)
{
	char date[TIME_TEXT_SIZE];

	time_text_http(date, (int64_t)head->modified_ms);
	api_field(job, "Last-Modified: %s\r\nX-File-Mode: %04o\r\nAccept-Ranges: bytes\r\n"
	    "X-Content-Type-Options: nosniff\r\n", date, (unsigned)(head->mode & 07777));
}

static void
refuse_kind(struct api *api, struct job *job)
{
	api_fail(api, job, FAULT_INVALID_REQUEST, "it is neither a file nor a directory");
}

static void
refuse_range(struct api *api, struct job *job)
{
	api_fail(api, job, FAULT_RANGE, "the range is not in the file");
}

/* What a file operation says first, where it has come. */
static bool
read_head(struct job *job, struct files_head *head)
{
	const struct buf *output = sandbox_output(job->handle);

	if (output->len < sizeof(*head))
		return false;
	memcpy(head, output->data, sizeof(*head));
	return true;
}

/* A file's head has come: the reply begins. False where it is an error already. */
static bool
begin_file(struct api *api, struct job *job, const struct files_head *head)
{
	uint64_t rest = head->size - job->offset;

	if (job->has_range && job->offset >= head->size) {
		api_field(job, "Content-Range: bytes */%llu\r\n", (unsigned long long)head->size);
		refuse_range(api, job);
		return false;
	}
	if (!job->has_range || job->length > rest)
		job->length = rest;
	head_fields(job, head);
	if (job->has_range)
		api_field(job, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)job->offset,
		    (unsigned long long)(job->offset + job->length - 1), (unsigned long long)head->size);
	return api_begin_reply(api, job, job->has_range ? 206 : 200, "application/octet-stream",
	    (int64_t)job->length);
}

static bool
begin_get(struct api *api, struct job *job)
{
	struct files_head head;

	if (!read_head(job, &head))
		return false;
	buf_consume(sandbox_output(job->handle), sizeof(head));
	job->kind = head.kind;
	job->head_seen = true;
	if (head.kind == FILES_REGULAR)
		return begin_file(api, job, &head);
	if (head.kind != FILES_DIRECTORY) {
		refuse_kind(api, job);
		return false;
	}
	job->length = 0;		/* of a range that was asked for: a directory has none */
	if (!api_begin_reply(api, job, 200, "application/json", -1))
		return false;
	http_reply_write(api->config.http, job->client, STR("{\"entries\": ["));
	return true;
}

static const char *
type_name(char type)
{
	switch (type) {
	case 'f': return "file";
	case 'd': return "directory";
	case 'l': return "link";
	case 'p': return "fifo";
	case 's': return "socket";
	default: return "device";
	}
}

/* A name that is no UTF-8 is given with %XX for every byte that a URL needs it for: as it can be asked for. */
static void
write_name(struct buf *out, struct str name)
{
	if (utf8_valid(name)) {
		json_write_string(out, name);
		return;
	}
	buf_putc(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];
		bool plain = byte_is_alnum(name.data[i]) || c == '-' || c == '_' || c == '.' || c == '~';
		buf_printf(out, plain ? "%c" : "%%%02X", c);
	}
	buf_puts(out, "\", \"escaped\": true");
}

static void
write_entry(struct buf *out, const struct files_entry *entry, struct str name, bool first)
{
	char date[TIME_TEXT_SIZE];

	time_text(date, (int64_t)entry->modified_ms);
	buf_puts(out, first ? "\n{\"name\": " : ",\n{\"name\": ");
	write_name(out, name);
	buf_printf(out, ", \"type\": \"%s\", \"size\": %llu, \"mode\": \"%04o\", \"modified_at\": \"%s\"}",
	    type_name(entry->type), (unsigned long long)entry->size, (unsigned)(entry->mode & 07777), date);
}

/* Passes on as many whole entries as there is room for. */
static void
pass_entries(struct api *api, struct job *job)
{
	struct http *http = api->config.http;
	struct buf *output = sandbox_output(job->handle), text;
	struct files_entry entry;

	while (output->len >= sizeof(entry) && http_reply_room(http, job->client) >= ENTRY_TEXT_MAX) {
		memcpy(&entry, output->data, sizeof(entry));
		if (entry.name_len > 255 || output->len < sizeof(entry) + entry.name_len)
			return;
		struct str name = { output->data + sizeof(entry), entry.name_len };
		buf_init(&text, ENTRY_TEXT_MAX);
		write_entry(&text, &entry, name, job->entries++ == 0);
		(void)http_reply_write(http, job->client, buf_str(&text));
		buf_free(&text);
		buf_consume(output, sizeof(entry) + entry.name_len);
	}
}

static void
pass_content(struct api *api, struct job *job)
{
	struct http *http = api->config.http;
	struct buf *output = sandbox_output(job->handle);
	size_t room;

	while (output->len && (room = http_reply_room(http, job->client))) {
		struct str data = { output->data, output->len < room ? output->len : room };
		if (data.len > job->length)
			data.len = (size_t)job->length;
		if (!data.len)
			break;
		int64_t n = http_reply_write(http, job->client, data);
		if (n <= 0)
			return;
		job->length -= (uint64_t)n;
		buf_consume(output, (size_t)n);
	}
}

static void
get_moved(struct api *api, struct job *job)
{
	if (!job->handle || job->replied)
		return;
	if (!job->head_seen && !begin_get(api, job))
		return;
	if (job->kind == FILES_REGULAR)
		pass_content(api, job);
	else
		pass_entries(api, job);
	/* The run has ended, and its client has taken all: now the reply is whole. */
	if (job->has_result && !sandbox_output(job->handle)->len) {
		job->replied = true;
		if (job->result.verdict != VERDICT_EXITED || job->result.exit_code != 0 || job->length) {
			http_cut(api->config.http, job->client);
			return;
		}
		if (job->kind == FILES_DIRECTORY)
			(void)http_reply_write(api->config.http, job->client, STR("]}\n"));
		(void)http_reply_end(api->config.http, job->client);
	}
}

static void
said_nothing(struct api *api, struct job *job)
{
	api_fail(api, job, FAULT_INTERNAL, "the file operation said nothing");
}

/* The run's end frees it, so what its client has not taken yet is kept by keeping the run: see api_run_event. */
static void
get_ended(struct api *api, struct job *job)
{
	struct files_head head;

	if (!job->head_seen && !read_head(job, &head)) {
		if (job->has_range && job->result.verdict == VERDICT_EXITED && job->result.exit_code == EINVAL)
			refuse_range(api, job);
		else if (operation_ok(api, job))
			said_nothing(api, job);
		return;
	}
	get_moved(api, job);
	job->keep_handle = !job->replied;
}

static void
start_get(struct api *api, struct job *job)
{
	char offset[24] = "", length[24] = "";

	if (job->has_range) {
		snprintf(offset, sizeof(offset), "%llu", (unsigned long long)job->offset);
		snprintf(length, sizeof(length), "%llu", (unsigned long long)job->length);
	}
	const struct str arguments[] = { job->path, str_of(offset), str_of(length) };
	job->moved = get_moved;
	api_operate(api, job, OPERATION_GET, request_operation(arguments, 3), get_ended);
}

/* "bytes=A-B", "bytes=A-", "bytes=-N" (RFC 9110, 14.1.2). What is something else is ignored, as it may be. */
static void
read_range(struct job *job, const struct http_request *request)
{
	size_t count;
	uint64_t first, last = 1ull << 60;
	struct str field = http_field(request, "range", &count);

	if (count != 1 || !str_begins(field, "bytes="))
		return;
	field = str_skip(field, 6);
	struct str from = str_until(field, "-");
	if (from.len == field.len)
		return;
	struct str to = str_skip(field, from.len + 1);
	if (to.len && str_to_u64(to, INT64_MAX, &last))
		return;
	if (!from.len) {
		job->has_suffix = to.len != 0;
		job->length = last;
		return;
	}
	if (str_to_u64(from, INT64_MAX, &first) || first > last)
		return;
	job->has_range = true;
	job->offset = first;
	job->length = last - first + 1;
}

static bool
stat_ok(struct api *api, struct job *job, struct files_head *head)
{
	if (!operation_ok(api, job))
		return false;
	if (read_head(job, head))
		return true;
	said_nothing(api, job);
	return false;
}

/* The last N bytes: the size is asked for first. */
static void
suffix_known(struct api *api, struct job *job)
{
	struct files_head head;

	if (!stat_ok(api, job, &head))
		return;
	if (head.kind == FILES_REGULAR) {
		job->has_range = true;
		if (job->length > head.size)
			job->length = head.size;
		job->offset = head.size - job->length;
	}
	start_get(api, job);
}

static void
operate_on_path(struct api *api, struct job *job, uint32_t operation, void (*end)(struct api *, struct job *))
{
	api_operate(api, job, operation, request_operation(&job->path, 1), end);
}

void
api_file_get(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	read_range(job, http_request(api->config.http, job->client));
	if (job->has_suffix)
		operate_on_path(api, job, OPERATION_STAT, suffix_known);
	else
		start_get(api, job);
}

/* --- HEAD, DELETE ----------------------------------------------------------------------------------- */

static void
head_ended(struct api *api, struct job *job)
{
	struct files_head head;

	if (!stat_ok(api, job, &head))
		return;
	if (head.kind == FILES_OTHER) {
		refuse_kind(api, job);
		return;
	}
	head_fields(job, &head);
	job->replied = true;
	bool file = head.kind == FILES_REGULAR;
	/* To HEAD a length is said and nothing follows. */
	if (api_begin_reply(api, job, 200, file ? "application/octet-stream" : "application/json",
	    file ? (int64_t)head.size : -1))
		(void)http_reply_end(api->config.http, job->client);
}

void
api_file_head(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	operate_on_path(api, job, OPERATION_STAT, head_ended);
}

static void
delete_ended(struct api *api, struct job *job)
{
	if (operation_ok(api, job))
		api_reply(api, job, 204, NULL);
}

void
api_file_delete(struct api *api, struct job *job, const struct json_value *unused)
{
	(void)unused;
	operate_on_path(api, job, OPERATION_DELETE, delete_ended);
}
