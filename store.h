/* store.h - where sessions live: their trees, their records and their uids, in a mount namespace of their own
 *
 * The launcher's side of sessions. The namespace is pinned by a mount at STATE_DIR/sessions (or, where that is refused, held by a
 * keeper process), so that it outlives every process of ours; nobody else's namespace sees the trees. In it a session is
 * a tmpfs that is the root of its runs, and a record: what the launcher must know, and bytes of the front's that are kept and
 * never read here. A session exists from the moment when its record is renamed into place until that is removed. */
#ifndef STORE_H
#define STORE_H

#include "message.h"
#include "root.h"
#include "uid.h"

struct store;
struct cgroup_group;

struct store_config {
	const char *dir;		/* the state directory: made where it is missing, 0700 */
	size_t sessions_max;
	bool kept;			/* a pin would not outlive us (an ordinary user's namespaces): a keeper holds the sessions */
};

struct store_session {
	char id[MESSAGE_ID_MAX];
	char path[MESSAGE_ID_MAX + 32];	/* of its tree, in the namespace of sessions */
	uint64_t disk_kb;
	uint32_t network;
	uint32_t uid_index;
	int netns;			/* shared by its running runs; -1 */
	unsigned running;
	unsigned runs;			/* so far */
	struct cgroup_group *groups;	/* those of its runs that rest */
	bool closing;			/* no new runs; files go when the last one is over */
};

/* The user namespace of the keeper that an earlier launcher of an ordinary user's left: to be entered before store_open. -errno: there
 * is none. */
int store_userns(const char *dir);
/* In the launcher, while it still is in the host's mount namespace. -EAGAIN: another launcher has this state directory.
 * Takes the block of uids. */
int store_open(struct store **store, const struct store_config *config, struct uid_block *uids,
    struct root_fault *fault);
/* Closes it; sessions stay for the next start with keep, else all are removed. */
void store_close(struct store *store, bool keep);

/* Called when the launcher is in its own mount namespace: the one that it returns to from now on. */
int store_settle(struct store *store);
/* The namespace of sessions, for setns. */
int store_namespace(const struct store *store);
/* The host uid of a session's commands. */
uid_t store_uid(const struct store *store, const struct store_session *session);
size_t store_count(const struct store *store);
/* The sessions found at start: index from 0; NULL at the end. */
struct store_session *store_at(struct store *store, size_t index);
/* NULL where there is none. */
struct store_session *store_find(struct store *store, const char *id);
/* A descriptor of its record, read-only: or -errno. */
int store_record(struct store *store, const struct store_session *session);

/* A new session; its record is the content of a memfd, copied by the kernel. -EEXIST, -EMFILE (too many), -errno. */
int store_create(struct store *store, const struct message_session *what, int record);
int store_save(struct store *store, struct store_session *session, int record);
/* Its record goes: a restart will not find it. Its files stay until store_remove. */
int store_forget(struct store *store, struct store_session *session);
/* Ends it: it no longer exists when this returns; its files go in a child process. */
int store_remove(struct store *store, struct store_session *session);
uint64_t store_used_kb(struct store *store, const struct store_session *session);
/* Called each round: reaps children that removed files. True while there are some: then it wants to be called again soon. */
bool store_reap(struct store *store);
/* For root's commands: the working directory becomes the one that has the trees; all else stays the host's. */
int store_visit(const char *dir);
bool store_id_valid(const char id[MESSAGE_ID_MAX]);

#endif
