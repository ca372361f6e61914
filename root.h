/* root.h - the file system of a sandbox: what it is made of, and how one is put together
 *
 * root_open() is called once by the launcher, in a mount namespace of its own, and leaves that namespace with nothing
 * but the parts that sandboxes are made of. root_build() runs in the process that becomes pid 1, while it still
 * has its privileges. Whatever a payload may have written (a session's tree) is walked one component at a time beneath a descriptor,
 * without symbolic links, and mounted on by descriptor: never by a path. */
#ifndef ROOT_H
#define ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ROOT_BINDS_MAX = 64 };

struct root_bind {
	const char *source, *target;	/* absolute; target in the sandbox */
	bool writable;
};

struct root_config {
	const char *rootfs;		/* NULL: the host's own system directories */
	const struct root_bind *binds;
	size_t binds_len;
	uid_t uid;			/* the command's and its group, as /etc/passwd inside shows it */
	bool rootless;			/* in a user namespace of an ordinary user's */
};

/* Where something failed: a static text, for `step` of a result. */
struct root_fault {
	const char *step;
};

struct root;

/* -errno, and fault->step. The calling process is in a private mount namespace; afterwards its root is a small tmpfs that
 * holds the parts. */
int root_open(struct root **root, const struct root_config *config, struct root_fault *fault);

/* A new tmpfs tree for a sandbox, detached: its descriptor, or -errno. Limited to disk_kb (bytes, and inodes in proportion),
 * owned by the user, with /tmp, /home/user and the rest of what a program expects to write to. */
int root_tree(uint64_t disk_kb, uid_t uid, gid_t gid, struct root_fault *fault);
/* The same limit for a tree that exists. */
int root_tree_resize(int tree, uint64_t disk_kb);

/* Makes the calling process's mount namespace (new, private) a sandbox with `tree` (detached, used up) as its root, and
 * enters it: read-only system directories, /etc, /dev, /proc of the calling process's pid namespace. The old
 * root is gone afterwards. `uid` is the command's as seen inside: another than the configuration's gets names of its own. Then
 * `init_uid`, pid 1's, has to be of this sandbox alone. */
int root_build(const struct root *root, int tree, uid_t init_uid, uid_t uid, struct root_fault *fault);

/* Makes the root of the calling process's mount namespace its root. Whoever enters that namespace later by setns(2) finds himself
 * there, whatever chroot it was made in: what he is to find has to be put there. `proc` is a /proc that is mounted. */
int root_leave_chroot(int proc);

/* The host's /proc, as the launcher sees it: a descriptor. */
int root_proc(const struct root *root);

#endif
