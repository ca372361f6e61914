/* needs: buf.c json.c limit.c environment.c parcel.c */
/* Any JSON as the body of a run, of a session, of its env and cwd: it is refused by an error that can be shown, or what is packed
 * keeps to the limits and opens again */
#include "../../request.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_error(const struct request_error *error)
{
	must(error->status == 400 || error->status == 403 || error->status == 503);
	must(error->code && error->text[0] && utf8_valid(str_of(error->text)) && utf8_valid(str_of(error->field)));
}

static void check_limits(const struct limits *limits, const struct request_rules *rules, bool whole)
{
	for (int i = 0; i < LIMITS_LEN; i++) {
		uint64_t value = limits_get(limits, (enum limit_id)i);
		must(value <= request_greatest(rules, (enum limit_id)i) && (value >= 1 || !whole));
	}
}

static void try_run(const struct json_value *body, const struct request_rules *rules)
{
	struct request_error error = { .status = 0 };
	struct run_request request;
	struct parcel parcel;

	if (request_run(&request, body, rules, &error)) {
		check_error(&error);
	} else {
		check_limits(&request.limits, rules, true);
		must(request.network == NETWORK_NONE && request.parcel >= 0);
		must(!parcel_open(&parcel, request.parcel));
		must(parcel.head.argc >= 1 && parcel.argv[0][0] && parcel.cwd[0] == '/');
		must(parcel.head.copies == request.copies_len);
		parcel_close(&parcel);
	}
	run_request_free(&request);
}

static void try_session(const struct json_value *body, const struct request_rules *rules)
{
	struct request_error error = { .status = 0 };
	struct session_request request;
	struct variable *env = NULL;
	struct str cwd;
	size_t len;

	if (request_session(&request, body, rules, &error)) {
		check_error(&error);
	} else {
		check_limits(&request.limits, rules, false);
		must(request.ttl_s >= 1 && request.ttl_s <= REQUEST_TTL_MAX_S && request.limits.disk_kb >= 1);
		must(request.cwd.data[0] == '/' && request.env_len <= REQUEST_VARIABLES_MAX);
	}
	session_request_free(&request);
	if (request_env(&env, &len, body, &error))
		check_error(&error);
	else
		for (size_t i = 0; i < len; i++)
			must(environment_name_valid(env[i].name) && !str_has_nul(env[i].value));
	free(env);
	if (request_cwd(&cwd, body, &error))
		check_error(&error);
	else
		must(cwd.data[0] == '/' && cwd.len <= REQUEST_PATH_MAX && !str_has_nul(cwd));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct variable env[] = { { STR("A"), STR("b") } };
	static const struct limits defaults = { .time_ms = 5 };
	static const struct request_rules rules = { .ceilings = { .mem_kb = 65536, .wall_time_ms = 9000 }, .nofile_max = 1024 };
	struct request_rules in_session = rules;
	struct json_error fault;

	if (size > 65536)
		return 0;
	struct json *json = json_parse((struct str){ (const char *)data, size }, &fault);
	if (!json) {
		struct request_error error = { .status = 0 };
		request_json_error(&error, &fault);
		check_error(&error);
		return 0;
	}
	in_session.in_session = true;
	in_session.defaults = &defaults;
	in_session.env = env;
	in_session.env_len = 1;
	in_session.cwd = STR("/home");
	try_run(json_root(json), &rules);
	try_run(json_root(json), &in_session);
	try_session(json_root(json), &rules);
	json_free(json);
	return 0;
}

#include "replay.h"
