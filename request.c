/* request.c - checks a body field by field by a table, and packs parcels. Touches nothing but memfds. */
#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parcel.h"

/* What the fields of one body make, while it is being read. */
struct reading {
	const struct request_rules *rules;
	struct request_error *error;
	struct limits limits;
	const struct json_value *command, *env, *files, *copy_out, *input;
	struct str cwd;
	uint32_t network;
	bool base64;
	uint64_t ttl_s;
};

/* --- errors --------------------------------------------------------------------------------------- */

void
request_fail(struct request_error *error, int status, const char *code, const char *field,
    const char *format, ...)
{
	va_list arguments;

	error->status = status;
	error->code = code;
	snprintf(error->field, sizeof(error->field), "%s", field ? field : "");
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
}

#define INVALID(error, field, ...) \
	(request_fail(error, 400, "invalid_request", field, __VA_ARGS__), -1)

void
request_json_error(struct request_error *error, const struct json_error *json)
{
	switch (json->fault) {
	case JSON_DUPLICATE_KEY:
		request_fail(error, 400, "invalid_request", json->key, "%s: given twice", json->key);
		return;
	case JSON_TOO_MANY:
		request_fail(error, 400, "invalid_request", NULL, "more than %d values", JSON_VALUES_MAX);
		return;
	case JSON_NO_MEMORY:
		request_fail(error, 503, "overloaded", NULL, "out of memory");
		return;
	default:
		request_fail(error, 400, "invalid_json", NULL, "invalid JSON at byte %zu: %s", json->offset,
		    json->reason ? json->reason : "not JSON");
	}
}

static const char *
type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null", [JSON_FALSE] = "a boolean", [JSON_TRUE] = "a boolean",
		[JSON_NUMBER] = "a number", [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};
	return names[type];
}

static int
expect(struct request_error *error, const struct json_value *value, enum json_type type, const char *field)
{
	if (value->type == type)
		return 0;
	return INVALID(error, field, "%s: must be %s, not %s", field, type_name(type), type_name(value->type));
}

/* A string that becomes a path, an argument or a variable. */
static int
expect_text(struct request_error *error, const struct json_value *value, const char *field)
{
	if (expect(error, value, JSON_STRING, field))
		return -1;
	if (str_has_nul(value->text))
		return INVALID(error, field, "%s: has a NUL", field);
	return 0;
}

/* "files[\"a b\"]": the name of a member, for an error. Cut at a character's end; what is not printable becomes '?'. */
static void
member_name(char *name, size_t size, const char *field, struct str key)
{
	size_t at = (size_t)snprintf(name, size, "%s[\"", field);

	for (size_t i = 0; i < key.len && at + 8 < size;) {
		size_t n = utf8_sequence((struct str){ key.data + i, key.len - i });
		if (n == 0 || (unsigned char)key.data[i] < ' ') {
			name[at++] = '?';
			i += n ? n : 1;
			continue;
		}
		memcpy(name + at, key.data + i, n);
		at += n;
		i += n;
	}
	snprintf(name + at, size - at, "\"]");
}

/* --- fields --------------------------------------------------------------------------------------- */

static uint64_t
greatest_of(const struct request_rules *rules, enum limit_id id)
{
	uint64_t greatest = limit_fields[id].greatest;
	uint64_t ceiling = limits_get(&rules->ceilings, id);

	if (ceiling && ceiling < greatest)
		greatest = ceiling;
	if (id == LIMIT_NOFILE && rules->nofile_max < greatest)
		greatest = rules->nofile_max;
	return greatest;
}

static int
read_limit(struct reading *reading, const struct json_value *value, const char *path, enum limit_id id)
{
	uint64_t greatest = greatest_of(reading->rules, id);

	if (expect(reading->error, value, JSON_NUMBER, path))
		return -1;
	if (value->text.len && value->text.data[0] != '-' &&
	    (!value->is_integer || (uint64_t)value->integer > greatest) &&
	    !memchr(value->text.data, '.', value->text.len) && !memchr(value->text.data, 'e', value->text.len) &&
	    !memchr(value->text.data, 'E', value->text.len))
		return INVALID(reading->error, path, "%s: %.*s is more than the greatest allowed, %llu", path,
		    (int)(value->text.len < 40 ? value->text.len : 40), value->text.data,
		    (unsigned long long)greatest);
	if (!value->is_integer || value->integer < 1)
		return INVALID(reading->error, path, "%s: %.*s is not an integer of at least 1", path,
		    (int)(value->text.len < 40 ? value->text.len : 40), value->text.data);
	limits_set(&reading->limits, id, (uint64_t)value->integer);
	return 0;
}

static int
read_command(struct reading *reading, const struct json_value *value, const char *path)
{
	char name[64];
	size_t size = 0, i = 0;

	if (expect(reading->error, value, JSON_ARRAY, path))
		return -1;
	if (!value->first)
		return INVALID(reading->error, path, "%s: is empty", path);
	for (const struct json_value *arg = value->first; arg; arg = arg->next) {
		snprintf(name, sizeof(name), "%s[%zu]", path, i++);
		if (expect_text(reading->error, arg, name))
			return -1;
		size += arg->text.len + 1;
	}
	if (!value->first->text.len)
		return INVALID(reading->error, "command[0]", "command[0]: is empty");
	if (size > REQUEST_COMMAND_MAX)
		return INVALID(reading->error, path, "%s: %zu bytes are more than the greatest allowed, %d", path,
		    size, REQUEST_COMMAND_MAX);
	reading->command = value;
	return 0;
}

static int
check_env(struct request_error *error, const struct json_value *value, const char *path, bool nulls)
{
	char name[128];
	size_t size = 0;

	if (expect(error, value, JSON_OBJECT, path))
		return -1;
	if (value->count > REQUEST_VARIABLES_MAX)
		return INVALID(error, path, "%s: %zu variables are more than the greatest allowed, %d", path,
		    value->count, REQUEST_VARIABLES_MAX);
	for (const struct json_value *member = value->first; member; member = member->next) {
		member_name(name, sizeof(name), path, member->key);
		if (!environment_name_valid(member->key))
			return INVALID(error, name, "%s: a name is not empty and has no '=' and no NUL", name);
		if (!(nulls && member->type == JSON_NULL) && expect_text(error, member, name))
			return -1;
		size += member->key.len + member->text.len + 2;
	}
	if (size > REQUEST_ENV_MAX)
		return INVALID(error, path, "%s: %zu bytes are more than the greatest allowed, %d", path, size,
		    REQUEST_ENV_MAX);
	return 0;
}

static int
read_env(struct reading *reading, const struct json_value *value, const char *path)
{
	reading->env = value;
	return check_env(reading->error, value, path, false);
}

static int
read_cwd(struct reading *reading, const struct json_value *value, const char *path)
{
	if (expect_text(reading->error, value, path))
		return -1;
	if (!value->text.len || value->text.data[0] != '/')
		return INVALID(reading->error, path, "%s: must be an absolute path", path);
	if (value->text.len > REQUEST_PATH_MAX)
		return INVALID(reading->error, path, "%s: is longer than %d bytes", path, REQUEST_PATH_MAX);
	reading->cwd = value->text;
	return 0;
}

static int
read_network(struct reading *reading, const struct json_value *value, const char *path)
{
	if (expect_text(reading->error, value, path))
		return -1;
	if (str_is(value->text, "none")) {
		reading->network = NETWORK_NONE;
		return 0;
	}
	if (!str_is(value->text, "host"))
		return INVALID(reading->error, path, "%s: must be \"none\" or \"host\"", path);
	if (!reading->rules->network_host) {
		request_fail(reading->error, 403, "forbidden", path,
		    "%s: \"host\" is not granted here (serve --network host grants it)", path);
		return -1;
	}
	reading->network = NETWORK_HOST;
	return 0;
}

static int
read_encoding(struct reading *reading, const struct json_value *value, const char *path)
{
	if (expect_text(reading->error, value, path))
		return -1;
	reading->base64 = str_is(value->text, "base64");
	if (!reading->base64 && !str_is(value->text, "utf-8"))
		return INVALID(reading->error, path, "%s: must be \"utf-8\" or \"base64\"", path);
	return 0;
}

static int
check_path(struct request_error *error, struct str path, const char *field)
{
	if (!path.len || str_has_nul(path))
		return INVALID(error, field, "%s: a path is not empty and has no NUL", field);
	if (path.len > REQUEST_PATH_MAX)
		return INVALID(error, field, "%s: a path is at most %d bytes", field, REQUEST_PATH_MAX);
	return 0;
}

/* {"content", "encoding", "mode"}: the members that a content may have. */
static int
check_content_object(struct request_error *error, const struct json_value *value, const char *field,
    bool with_mode)
{
	const struct json_value *content = json_member(value, "content");

	for (const struct json_value *member = value->first; member; member = member->next)
		if (!str_is(member->key, "content") && !str_is(member->key, "encoding") &&
		    !(with_mode && str_is(member->key, "mode")))
			return INVALID(error, field, "%s: unknown field in it (content, encoding%s)", field,
			    with_mode ? ", mode" : "");
	if (!content || content->type != JSON_STRING)
		return INVALID(error, field, "%s: content must be a string", field);
	const struct json_value *encoding = json_member(value, "encoding");
	if (encoding && (encoding->type != JSON_STRING ||
	    (!str_is(encoding->text, "base64") && !str_is(encoding->text, "utf-8"))))
		return INVALID(error, field, "%s: encoding must be \"utf-8\" or \"base64\"", field);
	return 0;
}

static int
read_mode(struct request_error *error, const struct json_value *value, const char *field, uint32_t *mode)
{
	uint32_t bits = 0;

	if (value->type != JSON_STRING || value->text.len < 1 || value->text.len > 4)
		return INVALID(error, field, "%s: mode must be a string of octal digits, like \"0755\"", field);
	for (size_t i = 0; i < value->text.len; i++) {
		if (value->text.data[i] < '0' || value->text.data[i] > '7')
			return INVALID(error, field, "%s: mode must be a string of octal digits, like \"0755\"",
			    field);
		bits = bits << 3 | (uint32_t)(value->text.data[i] - '0');
	}
	if (bits > 0777)
		return INVALID(error, field, "%s: mode is at most 0777", field);
	*mode = bits;
	return 0;
}

/* The bytes that a content stands for: into `decoded` where it is base64, else as they are. */
static int
read_content(struct request_error *error, const struct json_value *value, const char *field,
    struct buf *decoded, struct str *content, uint32_t *mode)
{
	if (value->type == JSON_STRING) {
		*content = value->text;
		return 0;
	}
	if (value->type != JSON_OBJECT)
		return INVALID(error, field, "%s: must be a string or an object, not %s", field,
		    type_name(value->type));
	if (check_content_object(error, value, field, mode != NULL))
		return -1;
	const struct json_value *bits = mode ? json_member(value, "mode") : NULL;
	if (bits && read_mode(error, bits, field, mode))
		return -1;
	*content = json_member(value, "content")->text;
	const struct json_value *encoding = json_member(value, "encoding");
	if (!encoding || !str_is(encoding->text, "base64"))
		return 0;
	buf_init(decoded, content->len + 4);
	int failed = buf_base64_decode(decoded, *content);
	if (failed == -EINVAL)
		return INVALID(error, field, "%s: is not base64", field);
	if (failed) {
		request_fail(error, 503, "overloaded", field, "out of memory");
		return -1;
	}
	*content = buf_str(decoded);
	return 0;
}

static int
read_input(struct reading *reading, const struct json_value *value, const char *path)
{
	if (value->type != JSON_STRING && value->type != JSON_OBJECT)
		return INVALID(reading->error, path, "%s: must be a string or an object, not %s", path,
		    type_name(value->type));
	reading->input = value;
	return 0;
}

static int
read_files(struct reading *reading, const struct json_value *value, const char *path)
{
	char name[128];

	if (expect(reading->error, value, JSON_OBJECT, path))
		return -1;
	if (value->count > REQUEST_FILES_MAX)
		return INVALID(reading->error, path, "%s: %zu are more than the greatest allowed, %d", path,
		    value->count, REQUEST_FILES_MAX);
	for (const struct json_value *file = value->first; file; file = file->next) {
		member_name(name, sizeof(name), path, file->key);
		if (check_path(reading->error, file->key, name))
			return -1;
	}
	reading->files = value;
	return 0;
}

static int
read_copy_out(struct reading *reading, const struct json_value *value, const char *path)
{
	char name[64];
	size_t i = 0;

	if (expect(reading->error, value, JSON_ARRAY, path))
		return -1;
	if (value->count > REQUEST_FILES_MAX)
		return INVALID(reading->error, path, "%s: %zu are more than the greatest allowed, %d", path,
		    value->count, REQUEST_FILES_MAX);
	for (const struct json_value *file = value->first; file; file = file->next) {
		snprintf(name, sizeof(name), "%s[%zu]", path, i++);
		if (expect_text(reading->error, file, name) || check_path(reading->error, file->text, name))
			return -1;
	}
	reading->copy_out = value;
	return 0;
}

static int
read_ttl(struct reading *reading, const struct json_value *value, const char *path)
{
	if (value->type != JSON_NUMBER || !value->is_integer || value->integer < 1 ||
	    value->integer > REQUEST_TTL_MAX_S)
		return INVALID(reading->error, path, "%s: must be an integer from 1 to %d (seconds)", path,
		    REQUEST_TTL_MAX_S);
	reading->ttl_s = (uint64_t)value->integer;
	return 0;
}

/* Which bodies have a field: bits. */
enum { IN_RUN = 1, IN_SESSION_RUN = 2, IN_RUNS = IN_RUN | IN_SESSION_RUN, IN_SESSION = 4, IN_LIMITS = 8 };

static int read_limits(struct reading *, const struct json_value *, const char *);

static const struct field {
	char name[10];
	uint8_t bodies;
	uint8_t limit;			/* which, where there is no `read` */
	int (*read)(struct reading *, const struct json_value *, const char *path);
} fields[] = {
	{ "command", IN_RUNS, 0, read_command },
	{ "time", IN_RUNS | IN_LIMITS, LIMIT_TIME, NULL },
	{ "wall_time", IN_RUNS | IN_LIMITS, LIMIT_WALL_TIME, NULL },
	{ "mem", IN_RUNS | IN_LIMITS, LIMIT_MEM, NULL },
	{ "fsize", IN_RUNS | IN_LIMITS, LIMIT_FSIZE, NULL },
	{ "nofile", IN_RUNS | IN_LIMITS, LIMIT_NOFILE, NULL },
	{ "stack", IN_RUNS | IN_LIMITS, LIMIT_STACK, NULL },
	{ "procs", IN_RUNS | IN_LIMITS, LIMIT_PROCS, NULL },
	{ "output", IN_RUNS | IN_LIMITS, LIMIT_OUTPUT, NULL },
	{ "env", IN_RUNS | IN_SESSION, 0, read_env },
	{ "cwd", IN_RUNS | IN_SESSION, 0, read_cwd },
	{ "stdin", IN_RUNS, 0, read_input },
	{ "files", IN_RUNS | IN_SESSION, 0, read_files },
	{ "copy_out", IN_RUNS, 0, read_copy_out },
	{ "encoding", IN_RUNS, 0, read_encoding },
	{ "disk", IN_RUN | IN_SESSION, LIMIT_DISK, NULL },
	{ "network", IN_RUN | IN_SESSION, 0, read_network },
	{ "ttl", IN_SESSION, 0, read_ttl },
	{ "limits", IN_SESSION, 0, read_limits },
};

static const struct field *
find_field(struct str name, unsigned body)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if ((fields[i].bodies & body) && str_is(name, fields[i].name))
			return &fields[i];
	return NULL;
}

static int
read_object(struct reading *reading, const struct json_value *value, unsigned body, const char *prefix)
{
	char name[128], path[192];

	for (const struct json_value *member = value->first; member; member = member->next) {
		const struct field *field = find_field(member->key, body);
		if (!field) {
			member_name(name, sizeof(name), "", member->key);
			/* ["name"] → name */
			name[strlen(name) - 2] = '\0';
			return INVALID(reading->error, name + 2, "unknown field: %s%s", prefix, name + 2);
		}
		snprintf(path, sizeof(path), "%s%s", prefix, field->name);
		if (field->read ? field->read(reading, member, path) :
		    read_limit(reading, member, path, (enum limit_id)field->limit))
			return -1;
	}
	return 0;
}

static int
read_limits(struct reading *reading, const struct json_value *value, const char *path)
{
	if (expect(reading->error, value, JSON_OBJECT, path))
		return -1;
	return read_object(reading, value, IN_LIMITS, "limits.");
}

static int
expect_body(struct request_error *error, const struct json_value *body)
{
	if (body->type == JSON_OBJECT)
		return 0;
	request_fail(error, 400, "invalid_request", NULL, "the body must be an object, not %s",
	    type_name(body->type));
	return -1;
}

/* --- packing -------------------------------------------------------------------------------------- */

static int
no_memory(struct request_error *error)
{
	request_fail(error, 503, "overloaded", NULL, "out of memory");
	return -1;
}

static int
pack_files(struct buf *parcel, const struct json_value *files, struct request_error *error)
{
	char name[128];

	for (const struct json_value *file = files ? files->first : NULL; file; file = file->next) {
		struct buf decoded;
		struct str content;
		uint32_t mode = 0644;
		buf_init(&decoded, 1);
		member_name(name, sizeof(name), "files", file->key);
		int failed = read_content(error, file, name, &decoded, &content, &mode);
		if (!failed)
			parcel_file(parcel, file->key, mode, content);
		buf_free(&decoded);
		if (failed)
			return -1;
	}
	return 0;
}

/* The session's variables, then the run's: the later of two counts. */
static int
pack_env(struct buf *parcel, const struct reading *reading)
{
	const struct request_rules *rules = reading->rules;
	size_t len = rules->env_len + (reading->env ? reading->env->count : 0);

	struct variable *all = calloc(len ? len : 1, sizeof(*all));
	if (!all)
		return -1;
	if (rules->env_len)
		memcpy(all, rules->env, rules->env_len * sizeof(*all));
	size_t at = rules->env_len;
	for (const struct json_value *member = reading->env ? reading->env->first : NULL; member;
	    member = member->next)
		all[at++] = (struct variable){ member->key, member->text };
	environment_pack(parcel, all, at);
	free(all);
	return 0;
}

static int
pack_run(struct run_request *request, const struct reading *reading)
{
	struct buf parcel;
	int failed = -1;

	buf_init(&parcel, MESSAGE_PARCEL_MAX);
	parcel_begin(&parcel);
	for (const struct json_value *arg = reading->command->first; arg; arg = arg->next)
		parcel_arg(&parcel, arg->text);
	if (pack_env(&parcel, reading)) {
		(void)no_memory(reading->error);
		goto out;
	}
	parcel_cwd(&parcel, reading->cwd);
	if (pack_files(&parcel, reading->files, reading->error))
		goto out;
	for (const struct json_value *path = reading->copy_out ? reading->copy_out->first : NULL; path;
	    path = path->next) {
		parcel_copy(&parcel, path->text);
		buf_append_str(&request->copies, path->text);
		buf_putc(&request->copies, '\0');
		request->copies_len++;
	}
	request->parcel = parcel.failed || request->copies.failed ? -ENOMEM :
	    parcel_post("run", buf_str(&parcel));
	failed = request->parcel < 0 ? no_memory(reading->error) : 0;
	request->memfd_size += parcel.len;
out:
	buf_free(&parcel);
	return failed;
}

static int
pack_input(struct run_request *request, const struct json_value *input, struct request_error *error)
{
	struct buf decoded;
	struct str content;

	if (!input)
		return 0;
	buf_init(&decoded, 1);
	int failed = read_content(error, input, "stdin", &decoded, &content, NULL);
	if (!failed && content.len) {
		request->input = parcel_seal("stdin", content);
		request->memfd_size += content.len;
		if (request->input < 0)
			failed = no_memory(error);
	}
	buf_free(&decoded);
	return failed;
}

/* What the server grants is what a run gets that does not say. */
static uint32_t
standard_network(const struct request_rules *rules)
{
	return rules->network_host ? NETWORK_HOST : NETWORK_NONE;
}

int
request_run(struct run_request *request, const struct json_value *body,
    const struct request_rules *rules, struct request_error *error)
{
	struct reading reading = {
		.rules = rules, .error = error, .cwd = rules->cwd, .network = standard_network(rules),
	};

	memset(request, 0, sizeof(*request));
	request->parcel = request->input = -1;
	buf_init(&request->copies, (size_t)REQUEST_FILES_MAX * (REQUEST_PATH_MAX + 1));
	if (expect_body(error, body) ||
	    read_object(&reading, body, rules->in_session ? IN_SESSION_RUN : IN_RUN, ""))
		return -1;
	if (!reading.command)
		return INVALID(error, "command", "command: is missing");
	if (!reading.cwd.len)
		reading.cwd = STR("/");
	request->limits = reading.limits;
	limits_resolve(&request->limits, rules->defaults);
	/* Defaults above a ceiling give way to it: only what a client asks for is refused. */
	for (int i = 0; i < LIMITS_LEN; i++) {
		uint64_t greatest = greatest_of(rules, (enum limit_id)i);
		if (limits_get(&request->limits, (enum limit_id)i) > greatest)
			limits_set(&request->limits, (enum limit_id)i, greatest);
	}
	request->network = reading.network;
	request->base64 = reading.base64;
	request->command = reading.command->first->text;
	if (pack_run(request, &reading))
		return -1;
	return pack_input(request, reading.input, error);
}

void
run_request_free(struct run_request *request)
{
	if (request->parcel >= 0)
		close(request->parcel);
	if (request->input >= 0)
		close(request->input);
	request->parcel = request->input = -1;
	buf_free(&request->copies);
}

static int
copy_env(struct variable **env, size_t *len, const struct json_value *object, struct request_error *error)
{
	*len = 0;
	*env = calloc(object && object->count ? object->count : 1, sizeof(**env));
	if (!*env)
		return no_memory(error);
	for (const struct json_value *member = object ? object->first : NULL; member; member = member->next)
		(*env)[(*len)++] = (struct variable){ member->key,
			member->type == JSON_NULL ? (struct str){ NULL, 0 } : member->text };
	return 0;
}

/* Writes the files and checks cwd, in one operation. */
static int
pack_session_check(struct session_request *request, const struct reading *reading)
{
	struct buf parcel;

	buf_init(&parcel, MESSAGE_PARCEL_MAX);
	parcel_begin(&parcel);
	parcel_arg(&parcel, reading->cwd);
	parcel_cwd(&parcel, STR("/"));
	int failed = pack_files(&parcel, reading->files, reading->error);
	if (!failed) {
		request->parcel = parcel.failed ? -ENOMEM : parcel_post("check", buf_str(&parcel));
		if (request->parcel < 0)
			failed = no_memory(reading->error);
	}
	buf_free(&parcel);
	return failed;
}

int
request_session(struct session_request *request, const struct json_value *body,
    const struct request_rules *rules, struct request_error *error)
{
	enum { TTL_S = 300 };
	struct reading reading = {
		.rules = rules, .error = error, .ttl_s = TTL_S, .network = standard_network(rules),
	};

	memset(request, 0, sizeof(*request));
	request->parcel = -1;
	if (body && (expect_body(error, body) || read_object(&reading, body, IN_SESSION, "")))
		return -1;
	request->limits = reading.limits;
	request->network = reading.network;
	request->ttl_s = reading.ttl_s;
	if (!request->limits.disk_kb) {
		request->limits.disk_kb = limit_fields[LIMIT_DISK].standard;
		if (request->limits.disk_kb > greatest_of(rules, LIMIT_DISK))
			request->limits.disk_kb = greatest_of(rules, LIMIT_DISK);
	}
	request->cwd = reading.cwd.len ? reading.cwd : STR("/");
	if (copy_env(&request->env, &request->env_len, reading.env, error))
		return -1;
	if (!reading.files && str_is(request->cwd, "/"))
		return 0;
	reading.cwd = request->cwd;
	return pack_session_check(request, &reading);
}

void
session_request_free(struct session_request *request)
{
	if (request->parcel >= 0)
		close(request->parcel);
	request->parcel = -1;
	free(request->env);
	request->env = NULL;
}

/* A body that has one field: any other is refused by name. */
static int
only_member(struct request_error *error, const struct json_value *body, const char *name)
{
	char shown[128];

	for (const struct json_value *member = body->first; member; member = member->next) {
		if (str_is(member->key, name))
			continue;
		member_name(shown, sizeof(shown), "", member->key);
		shown[strlen(shown) - 2] = '\0';
		return INVALID(error, shown + 2, "unknown field: %s", shown + 2);
	}
	return 0;
}

int
request_env(struct variable **env, size_t *len, const struct json_value *body, struct request_error *error)
{
	*env = NULL;
	if (expect_body(error, body))
		return -1;
	if (only_member(error, body, "env"))
		return -1;
	const struct json_value *object = json_member(body, "env");
	if (!object)
		return INVALID(error, "env", "env: is missing");
	return check_env(error, object, "env", true) ? -1 : copy_env(env, len, object, error);
}

int
request_cwd(struct str *cwd, const struct json_value *body, struct request_error *error)
{
	struct request_rules rules = { .nofile_max = 0 };
	struct reading reading = { .rules = &rules, .error = error };

	if (expect_body(error, body))
		return -1;
	const struct json_value *value = json_member(body, "cwd");
	if (!value)
		return INVALID(error, "cwd", "cwd: is missing");
	if (only_member(error, body, "cwd"))
		return -1;
	if (read_cwd(&reading, value, "cwd"))
		return -1;
	*cwd = reading.cwd;
	return 0;
}

int
request_operation(const struct str *arguments, size_t len)
{
	struct buf parcel;

	buf_init(&parcel, MESSAGE_PARCEL_MAX);
	parcel_begin(&parcel);
	for (size_t i = 0; i < len; i++)
		parcel_arg(&parcel, arguments[i]);
	parcel_cwd(&parcel, STR("/"));
	int fd = parcel.failed ? -ENOMEM : parcel_post("operation", buf_str(&parcel));
	buf_free(&parcel);
	return fd;
}
