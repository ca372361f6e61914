/* cgroup_private.h - what the files of the cgroup room share: the hierarchies, and small helpers
 * for their files */
#ifndef CGROUP_PRIVATE_H
#define CGROUP_PRIVATE_H

#include <linux/limits.h>
#include <stddef.h>

#include "buf.h"
#include "cgroup.h"

/* The group of one launcher: "opensandbox-PID-START-NS-N": who made it, when that process
 * started (field 22 of /proc/PID/stat), the inode of its pid namespace (in another one the same
 * pid is someone else), and a number. */
#define CGROUP_BASE "opensandbox"
/* v2: where the processes of the launcher's own group go, so that the group may have limited
 * children. All launchers in that group share it. */
#define CGROUP_LEAF "opensandbox-launcher"

enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CPUACCT,	/* v1 only: v2 accounts CPU time in every group */
	CGROUP_CPU,	/* shares: a run with many threads weighs no more than one with few */
	CGROUP_CONTROLLERS
};

/* A mounted tree of groups. v2 is one; v1 one for each controller, or for some together
 * (cpu,cpuacct). */
struct cgroup_hierarchy {
	unsigned controllers;	/* bits of 1 << enum cgroup_controller */
	int home;		/* the directory that the launcher's group is made in, -1: none */
	int base;		/* the launcher's group */
	char name[64];		/* of base, in home */
};

/* Where a hierarchy is mounted, and the part of it that this process is in. */
struct cgroup_place {
	char point[PATH_MAX];	/* of the mount */
	char own[PATH_MAX];	/* of our group below that, "" or "/a/b" */
	char options[256];	/* of the super block: the controllers of v1 */
	bool visible_root;	/* our group is "/": the real root, or a namespace's */
};

/* /proc/self/cgroup and /proc/self/mountinfo, read once: the kernel takes its time over the latter. */
struct cgroup_texts {
	struct buf groups, mounts;
};

/* What finding the v2 hierarchy changed: to be undone at the end. */
struct cgroup_moved {
	int leaf;		/* -1: nothing was moved */
	unsigned enabled;	/* controllers that were off before, in home's subtree */
};

enum { CGROUP_WHY_MAX = 200 };

extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS];

/* cgroup_files.c */

/* Reads a file of any length into a buffer that is to be freed, also after an error: 0 or
 * -errno. Its data ends with NUL. */
int cgroup_read_all(int dir, const char *name, struct buf *text);
/* Writes all of text: 0 or -errno. */
int cgroup_write(int fd, const char *text);
int cgroup_write_at(int dir, const char *name, const char *text);
int cgroup_write_number(int fd, uint64_t number);
/* The number that a file begins with: 0 or -errno. "max" is UINT64_MAX. */
int cgroup_number(int fd, uint64_t *number);
/* The number behind a word at the beginning of a line; 0 where the word is missing. */
uint64_t cgroup_field(const char *text, const char *word);
/* Whether a list, parted by any of the separators, holds the word. */
bool cgroup_listed(const char *list, const char *separators, const char *word);
/* Reads what places are found by: 0 or -errno. To be freed in any case. */
int cgroup_texts_read(struct cgroup_texts *texts);
void cgroup_texts_free(struct cgroup_texts *texts);
/* Finds where v2 (controller NULL), or a v1 controller, is mounted. 0 or -ENOENT. */
int cgroup_place_find(
    const struct cgroup_texts *texts, struct cgroup_place *place, const char *controller);
/* Makes a read-only mount writable for this mount namespace. The caller has one of its own. */
int cgroup_remount(const char *point);
/* Calls for each process in a group; stops at a result other than 0 and returns it. No end but
 * the list's. */
int cgroup_each_pid(int dir, int (*call)(void *context, pid_t pid), void *context);
/* Sends SIGKILL to everybody in a group. Returns how many were there, or -errno. */
int cgroup_kill_all(int dir);
/* Makes this launcher's group in hierarchy->home, and opens it. 0 or -errno. */
int cgroup_base_make(struct cgroup_hierarchy *hierarchy);
/* Whether a directory's name is that of a launcher's group; and then, whether its maker is
 * surely dead. */
bool cgroup_is_base(const char *name, bool *dead);
/* Kills and removes the groups in a home whose launchers are dead, until a deadline
 * (CLOCK_MONOTONIC, ns). */
void cgroup_remove_dead(int home, int64_t deadline);
/* Removes the group `name` in home and the groups in it, killing what they hold. 0, or -EBUSY at
 * the deadline. */
int cgroup_remove_tree(int home, const char *name, int64_t deadline);
int64_t cgroup_clock(void);
void cgroup_pause_ms(long ms);
void cgroup_close_fd(int *fd);

/* cgroup_v2.c: opens the home of hierarchy and makes our group in it, with as many controllers
 * as can be had; -errno and why where it is not even memory. */
int cgroup_v2_find(const struct cgroup_texts *texts, struct cgroup_hierarchy *hierarchy,
    struct cgroup_moved *moved, char why[CGROUP_WHY_MAX]);
/* Puts processes and controllers back as they were, if no other launcher needs them so. */
void cgroup_v2_undo(int home, struct cgroup_moved *moved);

/* cgroup_v1.c: the same for every controller that can be used; why is by controller. Returns how
 * many hierarchies. */
size_t cgroup_v1_find(const struct cgroup_texts *texts,
    struct cgroup_hierarchy hierarchies[CGROUP_CONTROLLERS],
    char why[CGROUP_CONTROLLERS][CGROUP_WHY_MAX]);

#endif
