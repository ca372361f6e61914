/* check.h - `opensandbox check`: what this host gives, found by trying
 *
 * The result is plain data: it is made once by the privileged side (before the server is forked
 * from it), and whoever has a copy can write it out, without a system call. */
#ifndef CHECK_H
#define CHECK_H

#include "buf.h"
#include "options.h"

enum {
	CHECK_LINES_MAX = 48,
	CHECK_JSON_MAX = CHECK_LINES_MAX * 3072, /* bytes that check_write_json appends at most */
};

enum check_status {
	CHECK_OK,
	CHECK_DEGRADED, /* sandboxes are made, but weaker, or with figures that are less exact */
	CHECK_MISSING,  /* without it no sandbox can be made, or a default limit cannot be set */
};

struct check_line {
	char name[20]; /* "namespace_pid": never changes */
	enum check_status status;
	char detail[440]; /* ok: facts, may be empty; else "why: what to do" */
};

/* The worst of all lines first. */
struct check {
	enum check_status status;
	size_t len;
	struct check_line lines[CHECK_LINES_MAX];
};

/* Tries everything, each thing in a child of its own that has a deadline, and leaves nothing
 * behind. To be called in the host's namespaces, before launcher_open. What options say of rootfs,
 * bind, no_userns and no_cgroup is heeded. It never fails: what cannot be tried is a line that says
 * so. Sets SIGCHLD to its default. Takes about 50 ms. */
void check_facts(struct check *check, const struct options *options);
/* "ok", "degraded", "missing" */
const char *check_status_name(enum check_status status);
/* {"status": …, "checks": [{"name", "status", "detail"}, …]} */
void check_write_json(struct buf *out, const struct check *check);
/* Prints a line a protection and a limit. 0: all ok, 1: something degraded, 2: something missing.
 */
int check_run(const struct options *options);

#endif
