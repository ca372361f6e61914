/* request.c - checks a body field by field by a table, and packs parcels. Touches nothing but memfds. */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
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
	bool nulls;			/* in env: what is to be removed */
	uint64_t ttl_s;
};

/* For bodies that have no limits in them. */
static const struct request_rules no_rules;

/* --- errors --------------------------------------------------------------------------------------- */

static const char *
fault_text(enum fault fault)
{
#define FAULT_TEXT(name, text) text "\0"
	return text_at(FAULTS(FAULT_TEXT), fault);
}

void
request_vfail(struct request_error *error, enum fault fault, const char *field, const char *format,
    va_list arguments)
{
	const char *at = fault_text(fault);
	size_t len = 0;

	error->status = (int)text_number(&at);
	error->code = at + 1;
	snprintf(error->field, sizeof(error->field), "%s", field ? field : "");
	if (field)
		len = (size_t)snprintf(error->text, sizeof(error->text), "%s: ", error->field);
	vsnprintf(error->text + len, sizeof(error->text) - len, format, arguments);
}

enum fault
request_fault(int status)
{
	for (enum fault fault = FAULT_BAD_REQUEST; fault < FAULTS_LEN; fault++) {
		const char *text = fault_text(fault);
		if (text_number(&text) == (uint64_t)status)
			return fault;
	}
	return FAULT_BAD_REQUEST;
}

NO_DOUBLES
int
request_fail(struct request_error *error, enum fault fault, const char *field, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	request_vfail(error, fault, field, format, arguments);
	va_end(arguments);
	return -1;
}

__attribute__((format(printf, 3, 4)))
NO_DOUBLES
static int
invalid(struct request_error *error, const char *field, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	request_vfail(error, FAULT_INVALID_REQUEST, field, format, arguments);
	va_end(arguments);
	return -1;
}

static int
no_memory(struct request_error *error)
{
	return request_fail(error, FAULT_OVERLOADED, NULL, "out of memory");
}

void
request_json_error(struct request_error *error, const struct json_error *json)
{
	switch (json->fault) {
	case JSON_DUPLICATE_KEY:
		(void)invalid(error, json->key, "given twice");
		return;
	case JSON_TOO_MANY:
		(void)invalid(error, NULL, "more than %d values", JSON_VALUES_MAX);
		return;
	case JSON_NO_MEMORY:
		(void)no_memory(error);
		return;
	default:
		(void)request_fail(error, FAULT_INVALID_JSON, NULL, "invalid JSON at byte %zu: %s", json->offset,
		    json->reason ? json->reason : "not JSON");
	}
}

static const char *
type_name(enum json_type type)
{
	static const char names[][10] = {
		[JSON_NULL] = "null", [JSON_FALSE] = "a boolean", [JSON_TRUE] = "a boolean",
		[JSON_NUMBER] = "a number", [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};
	return names[type];
}

static int
at_most(struct request_error *error, const char *field, size_t n, const char *what, int most)
{
	return n <= (size_t)most ? 0 :
	    invalid(error, field, "%zu%s are more than the greatest allowed, %d", n, what, most);
}

static int
expect(struct request_error *error, const struct json_value *value, enum json_type type, const char *field)
{
	if (value->type == type)
		return 0;
	return invalid(error, field, "must be %s, not %s", type_name(type), type_name(value->type));
}

/* A string that becomes a path, an argument or a variable. */
static int
expect_text(struct request_error *error, const struct json_value *value, const char *field)
{
	if (expect(error, value, JSON_STRING, field))
		return -1;
	if (str_has_nul(value->text))
		return invalid(error, field, "has a NUL");
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

uint64_t
request_greatest(const struct request_rules *rules, enum limit_id id)
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
	uint64_t greatest = request_greatest(reading->rules, id);

	if (expect(reading->error, value, JSON_NUMBER, path))
		return -1;
	const char *number = value->text.data;
	int len = value->text.len < 40 ? (int)value->text.len : 40;
	bool whole = true;
	for (size_t i = 0; i < value->text.len; i++)
		whole &= number[i] >= '0' && number[i] <= '9';
	if (whole && (!value->is_integer || (uint64_t)value->integer > greatest))
		return invalid(reading->error, path, "%.*s is more than the greatest allowed, %llu", len, number,
		    (unsigned long long)greatest);
	if (!value->is_integer || value->integer < 1)
		return invalid(reading->error, path, "%.*s is not an integer of at least 1", len, number);
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
		return invalid(reading->error, path, "is empty");
	for (const struct json_value *arg = value->first; arg; arg = arg->next) {
		snprintf(name, sizeof(name), "%s[%zu]", path, i++);
		if (expect_text(reading->error, arg, name))
			return -1;
		size += arg->text.len + 1;
	}
	if (!value->first->text.len)
		return invalid(reading->error, "command[0]", "is empty");
	reading->command = value;
	return at_most(reading->error, path, size, " bytes", REQUEST_COMMAND_MAX);
}

static int
read_env(struct reading *reading, const struct json_value *value, const char *path)
{
	struct request_error *error = reading->error;
	char name[128];
	size_t size = 0;

	if (expect(error, value, JSON_OBJECT, path) ||
	    at_most(error, path, value->count, " variables", REQUEST_VARIABLES_MAX))
		return -1;
	for (const struct json_value *member = value->first; member; member = member->next) {
		member_name(name, sizeof(name), path, member->key);
		if (!environment_name_valid(member->key))
			return invalid(error, name, "a name is not empty and has no '=' and no NUL");
		if (!(reading->nulls && member->type == JSON_NULL) && expect_text(error, member, name))
			return -1;
		size += member->key.len + member->text.len + 2;
	}
	reading->env = value;
	return at_most(error, path, size, " bytes", REQUEST_ENV_MAX);
}

static int
read_cwd(struct reading *reading, const struct json_value *value, const char *path)
{
	if (expect_text(reading->error, value, path))
		return -1;
	if (!value->text.len || value->text.data[0] != '/')
		return invalid(reading->error, path, "must be an absolute path");
	if (value->text.len > REQUEST_PATH_MAX)
		return invalid(reading->error, path, "is longer than %d bytes", REQUEST_PATH_MAX);
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
		return invalid(reading->error, path, "must be \"none\" or \"host\"");
	if (!reading->rules->network_host)
		return request_fail(reading->error, FAULT_FORBIDDEN, path,
		    "\"host\" is not granted here (serve --network host grants it)");
	reading->network = NETWORK_HOST;
	return 0;
}

/* Of a body, or (where `which` says so) of a content. */
static int
take_encoding(struct request_error *error, const struct json_value *value, const char *field,
    const char *which, bool *base64)
{
	*base64 = str_is(value->text, "base64");
	return value->type == JSON_STRING && (*base64 || str_is(value->text, "utf-8")) ? 0 :
	    invalid(error, field, "%smust be \"utf-8\" or \"base64\"", which);
}

static int
read_encoding(struct reading *reading, const struct json_value *value, const char *path)
{
	return expect_text(reading->error, value, path) ? -1 :
	    take_encoding(reading->error, value, path, "", &reading->base64);
}

static int
check_path(struct request_error *error, struct str path, const char *field)
{
	if (!path.len || str_has_nul(path))
		return invalid(error, field, "a path is not empty and has no NUL");
	if (path.len > REQUEST_PATH_MAX)
		return invalid(error, field, "a path is at most %d bytes", REQUEST_PATH_MAX);
	return 0;
}

static int
take_mode(struct request_error *error, const struct json_value *value, const char *field, uint32_t *mode)
{
	uint32_t bits = 0;
	size_t i = 0;

	for (; i < value->text.len && i < 4 && (value->text.data[i] & ~7) == '0'; i++)
		bits = bits << 3 | (uint32_t)(value->text.data[i] - '0');
	if (value->type != JSON_STRING || !i || i < value->text.len)
		return invalid(error, field, "mode must be a string of octal digits, like \"0755\"");
	if (bits > 0777)
		return invalid(error, field, "mode is at most 0777");
	*mode = bits;
	return 0;
}

/* The bytes that a content stands for: into `decoded` where it is base64, else as they are. Only a file's has a mode. */
static int
read_content(struct request_error *error, const struct json_value *value, const char *field,
    struct buf *decoded, struct str *content, uint32_t *mode)
{
	const struct json_value *text = value;
	bool base64 = false;

	if (value->type == JSON_OBJECT) {
		text = NULL;
		for (const struct json_value *member = value->first; member; member = member->next) {
			int failed = 0;
			if (str_is(member->key, "content"))
				text = member;
			else if (str_is(member->key, "encoding"))
				failed = take_encoding(error, member, field, "encoding ", &base64);
			else if (mode && str_is(member->key, "mode"))
				failed = take_mode(error, member, field, mode);
			else
				failed = invalid(error, field, "unknown field in it (content, encoding%s)",
				    mode ? ", mode" : "");
			if (failed)
				return -1;
		}
		if (!text || text->type != JSON_STRING)
			return invalid(error, field, "content must be a string");
	} else if (value->type != JSON_STRING) {
		return invalid(error, field, "must be a string or an object, not %s", type_name(value->type));
	}
	*content = text->text;
	if (!base64)
		return 0;
	buf_init(decoded, content->len + 4);
	int failed = buf_base64_decode(decoded, *content);
	*content = buf_str(decoded);
	return failed == -EINVAL ? invalid(error, field, "is not base64") : failed ? no_memory(error) : 0;
}

static int
read_input(struct reading *reading, const struct json_value *value, const char *path)
{
	(void)path;
	reading->input = value;
	return 0;
}

static int
read_files(struct reading *reading, const struct json_value *value, const char *path)
{
	char name[128];

	if (expect(reading->error, value, JSON_OBJECT, path) ||
	    at_most(reading->error, path, value->count, "", REQUEST_FILES_MAX))
		return -1;
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

	if (expect(reading->error, value, JSON_ARRAY, path) ||
	    at_most(reading->error, path, value->count, "", REQUEST_FILES_MAX))
		return -1;
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
		return invalid(reading->error, path, "must be an integer from 1 to %d (seconds)",
		    REQUEST_TTL_MAX_S);
	reading->ttl_s = (uint64_t)value->integer;
	return 0;
}

/* Which bodies have a field: bits. */
enum {
	IN_RUN = 1, IN_SESSION_RUN = 2, IN_RUNS = IN_RUN | IN_SESSION_RUN, IN_SESSION = 4, IN_LIMITS = 8,
	IN_ENV = 16, IN_CWD = 32,
};

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
	{ "env", IN_RUNS | IN_SESSION | IN_ENV, 0, read_env },
	{ "cwd", IN_RUNS | IN_SESSION | IN_CWD, 0, read_cwd },
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
			(void)invalid(reading->error, NULL, "unknown field: %s%s", prefix, name + 2);
			snprintf(reading->error->field, sizeof(reading->error->field), "%s", name + 2);
			return -1;
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
read_body(struct reading *reading, const struct json_value *body, unsigned kind)
{
	if (body->type != JSON_OBJECT)
		return invalid(reading->error, NULL, "the body must be an object, not %s", type_name(body->type));
	return read_object(reading, body, kind, "");
}

static int
expect_given(const struct reading *reading, const void *value, const char *field)
{
	return value ? 0 : invalid(reading->error, field, "is missing");
}

/* --- packing -------------------------------------------------------------------------------------- */

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

/* The variables of `base`, then a body's: of two of one name the later counts. */
static int
copy_env(struct variable **env, size_t *len, const struct variable *base, size_t base_len,
    const struct reading *reading)
{
	const struct json_value *object = reading->env;

	*env = calloc(base_len + (object ? object->count : 0) + 1, sizeof(**env));
	if (!*env)
		return no_memory(reading->error);
	if (base_len)
		memcpy(*env, base, base_len * sizeof(**env));
	*len = base_len;
	for (const struct json_value *member = object ? object->first : NULL; member; member = member->next)
		(*env)[(*len)++] = (struct variable){ member->key,
			member->type == JSON_NULL ? (struct str){ NULL, 0 } : member->text };
	return 0;
}

static int
pack_run(struct run_request *request, const struct reading *reading)
{
	struct buf parcel;
	struct variable *env;
	size_t len;
	int failed = -1;

	if (copy_env(&env, &len, reading->rules->env, reading->rules->env_len, reading))
		return -1;
	buf_init(&parcel, MESSAGE_PARCEL_MAX);
	parcel_begin(&parcel);
	for (const struct json_value *arg = reading->command->first; arg; arg = arg->next)
		parcel_arg(&parcel, arg->text);
	environment_pack(&parcel, env, len);
	free(env);
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
	struct str content = STR("");

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
	if (read_body(&reading, body, rules->in_session ? IN_SESSION_RUN : IN_RUN) ||
	    expect_given(&reading, reading.command, "command"))
		return -1;
	if (!reading.cwd.len)
		reading.cwd = STR("/");
	request->limits = reading.limits;
	limits_resolve(&request->limits, rules->defaults);
	/* Defaults above a ceiling give way to it: only what a client asks for is refused. */
	for (int i = 0; i < LIMITS_LEN; i++) {
		uint64_t greatest = request_greatest(rules, (enum limit_id)i);
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

/* Takes the files' names and contents where there are any. */
static int
pack_operation(const struct str *arguments, size_t len, const struct json_value *files,
    struct request_error *error)
{
	struct buf parcel;

	buf_init(&parcel, MESSAGE_PARCEL_MAX);
	parcel_begin(&parcel);
	for (size_t i = 0; i < len; i++)
		parcel_arg(&parcel, arguments[i]);
	parcel_cwd(&parcel, STR("/"));
	int fd = pack_files(&parcel, files, error);
	if (!fd && (fd = parcel.failed ? -ENOMEM : parcel_post("operation", buf_str(&parcel))) < 0 && error)
		(void)no_memory(error);
	buf_free(&parcel);
	return fd;
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
	if (body && read_body(&reading, body, IN_SESSION))
		return -1;
	request->limits = reading.limits;
	request->network = reading.network;
	request->ttl_s = reading.ttl_s;
	if (!request->limits.disk_kb) {
		request->limits.disk_kb = limit_fields[LIMIT_DISK].standard;
		if (request->limits.disk_kb > request_greatest(rules, LIMIT_DISK))
			request->limits.disk_kb = request_greatest(rules, LIMIT_DISK);
	}
	request->cwd = reading.cwd.len ? reading.cwd : STR("/");
	if (copy_env(&request->env, &request->env_len, NULL, 0, &reading))
		return -1;
	/* Writes the files and checks cwd, in one operation. */
	if (reading.files || !str_is(request->cwd, "/"))
		request->parcel = pack_operation(&request->cwd, 1, reading.files, error);
	else
		return 0;
	return request->parcel < 0 ? -1 : 0;
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

int
request_env(struct variable **env, size_t *len, const struct json_value *body, struct request_error *error)
{
	struct reading reading = { .rules = &no_rules, .error = error, .nulls = true };

	*env = NULL;
	if (read_body(&reading, body, IN_ENV) || expect_given(&reading, reading.env, "env"))
		return -1;
	return copy_env(env, len, NULL, 0, &reading);
}

int
request_cwd(struct str *cwd, const struct json_value *body, struct request_error *error)
{
	struct reading reading = { .rules = &no_rules, .error = error };

	if (read_body(&reading, body, IN_CWD) || expect_given(&reading, reading.cwd.data, "cwd"))
		return -1;
	*cwd = reading.cwd;
	return 0;
}

int
request_operation(const struct str *arguments, size_t len)
{
	return pack_operation(arguments, len, NULL, NULL);
}
