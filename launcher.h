/* launcher.h - the only privileged process: it owns slots, uids, cgroups, clocks and kills, and never sees a client's byte
 *
 * It is opened while still in the host's namespaces; the front (the server, or the command line's half) is forked then, and
 * launcher_serve() answers the front's messages until the front is gone. Nothing that comes from the front is believed. */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include "cgroup.h"
#include "limit.h"
#include "root.h"

enum { LAUNCHER_RUNS_MAX = 1024 };

struct launcher_config {
	const char *rootfs;
	const struct root_bind *binds;
	size_t binds_len;
	unsigned runs_max;		/* at once */
	uint64_t mem_max_kb;		/* of all runs together; 0: none */
	struct limits ceilings;		/* of a command; 0: none */
	bool network_host;		/* may be granted */
	bool no_cgroup, no_userns;
	bool reuse;			/* sandboxes are built ahead, and used again where no trace is left */
	/* Of the only run that will come (disk_kb; 0: more may): its sandbox is built before it is asked for. */
	uint64_t only_disk_kb;
	uint32_t only_network;
	const char *state_dir;		/* of sessions; NULL: none */
	unsigned sessions_max;
	bool keep_sessions;		/* over an end in good order */
	const char *token_file;		/* read at start and on SIGHUP; NULL: none */
	bool token_required;
	const struct message_tokens *tokens;	/* from the environment; NULL: none */
};

/* What was found by trying: for `check`, the log and GET /version. */
struct launcher_facts {
	struct cgroup_facts cgroup;
	bool userns;
	bool one_uid;
	bool cgroup_namespace;
	unsigned cores;
	uint64_t nofile_max;		/* the greatest hard limit that can be set */
	int userns_error;		/* errno: why there is none, though one was wanted */
};

struct launcher;

/* -errno; fault->step says where. SIGTERM, SIGINT, SIGQUIT and SIGHUP are blocked from here on. */
int launcher_open(struct launcher **launcher, const struct launcher_config *config,
    struct root_fault *fault);
/* Gives everything back, for a front that was never forked. launcher_serve does it by itself. */
void launcher_close(struct launcher *launcher, bool keep_sessions);
const struct launcher_facts *launcher_facts(const struct launcher *launcher);
/* A uid that no sandbox uses: for the front. */
unsigned launcher_front_uid(const struct launcher *launcher);
/* Serves the front until it has ended; then kills every sandbox, cleans up. `front` is the launcher's end of the pair, `pid` the
 * front. Returns the front's wait status; a front that broke the protocol is killed. Frees the launcher. */
int launcher_serve(struct launcher *launcher, int front, pid_t pid);

#endif
