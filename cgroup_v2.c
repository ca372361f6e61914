/* cgroup_v2.c - control groups: where the launcher's groups can be in the hierarchy of v2
 *
 * A group of v2 gives its children controllers only while no process is in it (cgroups(7), "no
 * internal processes"). So the home is, in this order of liking:
 *  - our own group: already without processes, the real root (which is exempt), or emptied by
 *    moving what is in it into a leaf. That is done where all in it is ours (a unit or a scope
 *    of systemd), or where it is the root of a cgroup namespace (a container: the group was made
 *    for it);
 *  - a group above that already gives its children memory, or the real root: where strangers
 *    share our group (a login session). A group with a memory limit is never climbed out of: it
 *    is meant for us.
 * Starting and ending launchers take a lock on the home, so that one does not take away what the
 * other relies on. */
#include "cgroup_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOVE_ROUNDS = 50 };	/* processes that fork while they are moved need another round */

static const unsigned wanted[] = { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU };
enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };

/* The controllers that a file of a group lists. */
static unsigned controllers(int dir, const char *file)
{
	char text[512];
	unsigned found = 0;

	if (text_read(dir, file, text, sizeof(text)) < 0)
		return 0;
	for (size_t i = 0; i < WANTED; i++)
		if (cgroup_listed(text, " \n", cgroup_controller_names[wanted[i]]))
			found |= 1u << wanted[i];
	return found;
}

/* Switches controllers in a group's subtree, one by one: what cannot be had must not cost the
 * others. The first error. */
static int switch_controllers(int dir, unsigned set, char sign)
{
	int result = 0;

	for (size_t i = 0; i < WANTED; i++) {
		char text[16];
		int n;

		if (!(set & 1u << wanted[i]))
			continue;
		snprintf(text, sizeof(text), "%c%s", sign, cgroup_controller_names[wanted[i]]);
		n = cgroup_write_at(dir, "cgroup.subtree_control", text);
		if (n < 0 && result == 0)
			result = n;
	}
	return result;
}

/* The lock is the directory's own, and is let go when it is closed. Who holds it works for
 * milliseconds; one that is stopped meanwhile must not stop us as well. */
static int lock(int home)
{
	int fd = openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < 200 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		cgroup_pause_ms(10);
	return fd;
}

/* The real root has no cgroup.type. */
static bool real_root(int dir)
{
	return syscall(SYS_faccessat, dir, "cgroup.type", F_OK) < 0 && errno == ENOENT;
}

static bool limited(int dir)
{
	char text[32];

	return text_read(dir, "memory.max", text, sizeof(text)) > 0 &&
	    strcmp(text, "max\n") != 0;
}

struct move {
	int leaf;	/* where to */
	struct stat exe;
	pid_t self;
	unsigned n;
};

/* Ours is what runs this very binary: the server, the launcher, another one beside it. 1:
 * somebody else. */
static int is_stranger(void *context, pid_t pid)
{
	const struct move *move = context;
	struct stat other;
	char path[40];

	if (pid == move->self)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &other) < 0)
		return errno != ENOENT;	/* ENOENT: gone, or a zombie */
	return other.st_dev != move->exe.st_dev || other.st_ino != move->exe.st_ino;
}

static int move_one(void *context, pid_t pid)
{
	struct move *move = context;
	char text[16];
	int result;

	snprintf(text, sizeof(text), "%d", (int)pid);
	result = cgroup_write_at(move->leaf, "cgroup.procs", text);
	move->n++;
	return result == -ESRCH ? 0 : result;
}

/* Moves all processes of a group to another one: 0, or the error that remained. */
static int move_all(int from, int to)
{
	int result = 0;

	for (int round = 0; round < MOVE_ROUNDS; round++) {
		struct move move = { .leaf = to };

		result = cgroup_each_pid(from, move_one, &move);
		if (result == 0 && move.n == 0)
			return 0;
	}
	return result < 0 ? result : -EBUSY;
}

/* Empties a group into its leaf, if all in it may be moved, and gives its children memory. */
static int split(int dir, bool all_ours, struct cgroup_moved *moved)
{
	struct move move = { .self = getpid() };
	int result, leaf;

	if (stat("/proc/self/exe", &move.exe) < 0)
		return -errno;
	if (!all_ours && cgroup_each_pid(dir, is_stranger, &move) != 0)
		return -EBUSY;
	if (mkdirat(dir, CGROUP_LEAF, 0755) < 0 && errno != EEXIST)
		return -errno;
	leaf = openat(dir, CGROUP_LEAF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (leaf < 0) {
		result = -errno;
		unlinkat(dir, CGROUP_LEAF, AT_REMOVEDIR);
		return result;
	}
	result = move_all(dir, leaf);
	if (result == 0)
		result = switch_controllers(dir, 1u << CGROUP_MEMORY, '+');
	if (result < 0) {
		move_all(leaf, dir);
		unlinkat(dir, CGROUP_LEAF, AT_REMOVEDIR);
		close(leaf);
		return result;
	}
	moved->leaf = leaf;
	return 0;
}

static void undo(int home, struct cgroup_moved *moved)
{
	/* EBUSY for a controller that another launcher's group hands on: then that one needs the
	 * leaf too. */
	if (moved->enabled)
		switch_controllers(home, moved->enabled, '-');
	if (moved->leaf >= 0 &&
	    !(controllers(home, "cgroup.subtree_control") & 1u << CGROUP_MEMORY)) {
		move_all(moved->leaf, home);
		unlinkat(home, CGROUP_LEAF, AT_REMOVEDIR);
	}
	cgroup_close_fd(&moved->leaf);
	moved->enabled = 0;
}

/* Makes our group in one candidate. 0 or -errno; home stays open on success only. */
static int try_home(struct cgroup_hierarchy *hierarchy, struct cgroup_moved *moved, bool own,
    bool visible_root)
{
	int home = hierarchy->home, result = 0;
	unsigned have = controllers(home, "cgroup.controllers");
	unsigned before = controllers(home, "cgroup.subtree_control");
	bool root = real_root(home);

	if (!(have & 1u << CGROUP_MEMORY))
		return -ENODEV;
	/* Memory first, and alone: pids and cpu can be had beside processes, but turn the group
	 * into a threaded one, and then nothing can be moved into a leaf. */
	if (!(before & 1u << CGROUP_MEMORY) && (own || root)) {
		result = switch_controllers(home, 1u << CGROUP_MEMORY, '+');
		if (result == -EBUSY && own && !root)
			result = split(home, visible_root, moved);
	}
	if (result == 0 && (own || root))
		switch_controllers(home, have & ~before, '+');
	moved->enabled = controllers(home, "cgroup.subtree_control") & ~before;
	/* Another launcher has split this group, or did before it crashed: the last to leave
	 * mends it. */
	if (moved->leaf < 0) {
		moved->leaf = openat(home, CGROUP_LEAF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (moved->leaf >= 0)
			moved->enabled |= before;
	}
	if (!((before | moved->enabled) & 1u << CGROUP_MEMORY))
		result = result < 0 ? result : -EBUSY;
	else
		result = cgroup_base_make(hierarchy);
	if (result == 0)
		switch_controllers(hierarchy->base, before | moved->enabled, '+');
	if (result == 0 &&
	    !(controllers(hierarchy->base, "cgroup.subtree_control") & 1u << CGROUP_MEMORY)) {
		result = -ENODEV;
		cgroup_close_fd(&hierarchy->base);
		unlinkat(home, hierarchy->name, AT_REMOVEDIR);
	}
	if (result < 0)
		undo(home, moved);
	return result;
}

/* Cuts a path where a launcher's own groups begin: inside them is no place for another launcher. */
static void cut_base(char *path)
{
	for (char *at = path; *at == '/';) {
		char *end = at + 1 + strcspn(at + 1, "/"), last = *end;
		bool dead, cut;

		*end = '\0';
		cut = strcmp(at + 1, CGROUP_LEAF) == 0 || cgroup_is_base(at + 1, &dead);
		*end = last;
		if (cut) {
			*at = '\0';
			return;
		}
		at = end;
	}
}

static const char *advice(int error)
{
	switch (error) {
	case -EROFS:
		return "the mount is read-only: give the container CAP_SYS_ADMIN, or mount it "
		       "writable";
	case -ENODEV:
		return "no memory controller here: Delegate=yes in the unit, or systemd-run "
		       "--scope -p Delegate=yes";
	case -EACCES:
	case -EPERM:
		return "not permitted: start as root, or by systemd-run --user --scope -p "
		       "Delegate=yes";
	default:
		return "other processes share this group: start as a unit, or by systemd-run "
		       "--scope -p Delegate=yes";
	}
}

int cgroup_v2_find(const struct cgroup_texts *texts, struct cgroup_hierarchy *hierarchy,
    struct cgroup_moved *moved, char why[CGROUP_WHY_MAX])
{
	struct cgroup_place place;
	char path[2 * PATH_MAX];
	int first = 0, result = cgroup_place_find(texts, &place, NULL);
	bool remounted = false, climb = true;

	*hierarchy = (struct cgroup_hierarchy){ .home = -1, .base = -1 };
	*moved = (struct cgroup_moved){ .leaf = -1 };
	if (result < 0) {
		snprintf(why, CGROUP_WHY_MAX,
		    "no cgroup file system is mounted: mount -t cgroup2 none /sys/fs/cgroup");
		return result;
	}
	cut_base(place.own);
	for (bool own = true; climb; own = false) {
		int locked;
		char *slash = strrchr(place.own, '/');

		snprintf(path, sizeof(path), "%s%s", place.point, place.own);
		hierarchy->home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (hierarchy->home < 0) {
			result = -errno;
		} else {
			locked = lock(hierarchy->home);
			result = try_home(hierarchy, moved, own, place.visible_root);
			if (result == -EROFS && !remounted) {
				remounted = true;
				if (cgroup_remount(place.point) == 0)
					result =
					    try_home(hierarchy, moved, own, place.visible_root);
			}
			cgroup_close_fd(&locked);
			if (result == 0)
				break;
			climb = !limited(hierarchy->home);
			cgroup_close_fd(&hierarchy->home);
		}
		first = first ? first : result;
		if (!slash)
			break;
		*slash = '\0';
	}
	if (result < 0) {
		snprintf(why, CGROUP_WHY_MAX, "cgroup v2 at %.60s: %s", place.point, advice(first));
		return result;
	}
	hierarchy->controllers =
	    1u << CGROUP_CPUACCT | controllers(hierarchy->base, "cgroup.subtree_control");
	return 0;
}

void cgroup_v2_undo(int home, struct cgroup_moved *moved)
{
	int locked = lock(home);

	undo(home, moved);
	cgroup_close_fd(&locked);
}
