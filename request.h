/* request.h - what a JSON body asks for: each field checked, and packed for the launcher
 *
 * Knows the fields of api.md, not HTTP and not what is done with them. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdarg.h>

#include "environment.h"
#include "json.h"
#include "message.h"

enum {
	REQUEST_COMMAND_MAX = 128 << 10,	/* bytes of argv, with a NUL each */
	REQUEST_ENV_MAX = 256 << 10,		/* bytes of the environment */
	REQUEST_VARIABLES_MAX = 1024,
	REQUEST_FILES_MAX = 1024,		/* files, and copy_out paths */
	REQUEST_PATH_MAX = 4095,
	REQUEST_TTL_MAX_S = 30 * 86400,
};

/* What can be wrong with a request: the status of HTTP, and the code of the error body. Those from BAD_REQUEST on are of HTTP itself, and
 * known by their status. */
#define FAULTS(X) \
	X(INVALID_REQUEST, "400 invalid_request") X(INVALID_JSON, "400 invalid_json") \
	X(UNAUTHORIZED, "401 unauthorized") X(FORBIDDEN, "403 forbidden") X(NOT_FOUND, "404 not_found") \
	X(NO_SESSION, "404 session_not_found") X(NO_FILE, "404 file_not_found") \
	X(METHOD, "405 method_not_allowed") X(MEDIA_TYPE, "415 unsupported_media_type") \
	X(RANGE, "416 invalid_range") X(SESSIONS, "429 too_many_sessions") X(INTERNAL, "500 internal") \
	X(DRAINING, "503 draining") X(DISK_FULL, "507 disk_full") \
	X(BAD_REQUEST, "400 bad_request") X(TIMEOUT, "408 request_timeout") X(LENGTH, "411 length_required") \
	X(TOO_LARGE, "413 too_large") X(TARGET, "414 target_too_long") X(EXPECTATION, "417 expectation_failed") \
	X(HEAD, "431 head_too_large") X(NOT_IMPLEMENTED, "501 not_implemented") \
	X(OVERLOADED, "503 overloaded") X(VERSION, "505 version_not_supported")
#define FAULT_NAME(name, text) FAULT_##name,
enum fault { FAULTS(FAULT_NAME) FAULTS_LEN };

/* What is wrong with a request, for its error body. */
struct request_error {
	int status;			/* of HTTP */
	const char *code;		/* static */
	char field[128], text[256];	/* field: empty where none is at fault; both valid UTF-8 */
};

/* What applies where the body says nothing, and what it may not exceed. */
struct request_rules {
	struct limits ceilings;		/* 0: none of the operator's */
	uint64_t nofile_max;		/* what the kernel can set */
	bool network_host;		/* granted */
	/* A run in a session: */
	bool in_session;
	const struct limits *defaults;	/* NULL: the table's */
	const struct variable *env;
	size_t env_len;
	struct str cwd;			/* empty: "/" */
};

struct run_request {
	struct limits limits;		/* resolved */
	uint32_t network;
	bool base64;
	int parcel, input;		/* memfds; input: -1 where stdin is empty. The request's until taken (-1) */
	uint64_t memfd_size;		/* bytes of both */
	struct buf copies;		/* copy_out paths, each with a NUL */
	size_t copies_len;
	struct str command;		/* argv[0], as JSON has it: valid as long as the document */
};

struct session_request {
	struct limits limits;		/* 0: not given, but disk, which is resolved */
	uint32_t network;
	uint64_t ttl_s;
	struct variable *env;		/* points into the document; freed by session_request_free */
	size_t env_len;
	struct str cwd;			/* as env */
	int parcel;			/* for OPERATION_CHECK_CWD: files and cwd; -1: none needed */
};

/* Each returns 0, or -1 with the error filled. Whatever they return, the free function is called in the end. */
int request_run(struct run_request *request, const struct json_value *body,
    const struct request_rules *rules, struct request_error *error);
void run_request_free(struct run_request *request);
int request_session(struct session_request *request, const struct json_value *body,
    const struct request_rules *rules, struct request_error *error);
void session_request_free(struct session_request *request);
/* {"env": {...}} with null for what is to be removed: its value has data NULL. The array is freed by the caller. */
int request_env(struct variable **env, size_t *len, const struct json_value *body,
    struct request_error *error);
/* {"cwd": "/tmp"} */
int request_cwd(struct str *cwd, const struct json_value *body, struct request_error *error);
/* A parcel for a file operation: its arguments in order. A memfd, or -errno. */
int request_operation(const struct str *arguments, size_t len);
/* The error of a document that json_parse refused. */
void request_json_error(struct request_error *error, const struct json_error *json);
/* The fault of HTTP's that has a status. */
enum fault request_fault(int status);
/* What a client may ask for at most. */
uint64_t request_greatest(const struct request_rules *rules, enum limit_id id);
/* Fills an error: -1. field may be NULL; else the text begins with it. */
int request_fail(struct request_error *error, enum fault fault, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void request_vfail(struct request_error *error, enum fault fault, const char *field, const char *format,
    va_list arguments) __attribute__((format(printf, 4, 0)));

#endif
