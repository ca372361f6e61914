/* cgroup_v1.c - control groups: where the launcher's groups can be in the hierarchies of v1
 *
 * Each controller is looked for where it is mounted. Our own group is the first choice, so that
 * limits above it keep holding for what we run; it needs memory.use_hierarchy for that, which is
 * always on since Linux 5.11. Else the root of what is mounted. v1 lets a group have processes
 * and children at once. */
#include "cgroup_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What each controller is good for, said where it is missing. */
static const char *const missing[CGROUP_CONTROLLERS] = {
	[CGROUP_MEMORY] =
	    "no memory controller: boot with cgroup_enable=memory, or mount cgroup v2",
	[CGROUP_PIDS] = "no pids controller: mount one, or cgroup v2",
	[CGROUP_CPUACCT] = "no cpuacct controller: mount one, or cgroup v2",
	[CGROUP_CPU] = "",
};

/* Opens a home and makes our group there, which is the proof that it can be one. */
static int open_home(struct cgroup_hierarchy *hierarchy, const struct cgroup_place *place,
    const char *own, bool memory)
{
	char path[2 * PATH_MAX], text[8];
	int result;

	snprintf(path, sizeof(path), "%s%s", place->point, own);
	hierarchy->home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hierarchy->home < 0)
		return -errno;
	result = -EXDEV;
	if (!memory || !*own ||
	    text_read(hierarchy->home, "memory.use_hierarchy", text, sizeof(text)) <= 0 ||
	    text[0] != '0')
		result = cgroup_base_make(hierarchy);
	if (result == -EROFS && cgroup_remount(place->point) == 0)
		result = cgroup_base_make(hierarchy);
	if (result < 0)
		cgroup_close_fd(&hierarchy->home);
	return result;
}

static int find_one(const struct cgroup_texts *texts, struct cgroup_hierarchy *hierarchy, enum cgroup_controller controller,
    char why[CGROUP_WHY_MAX])
{
	const char *name = cgroup_controller_names[controller];
	struct cgroup_place place;
	bool memory = controller == CGROUP_MEMORY;
	int result;

	if (cgroup_place_find(texts, &place, name) < 0) {
		snprintf(why, CGROUP_WHY_MAX, "%s", missing[controller]);
		return -ENOENT;
	}
	result = open_home(hierarchy, &place, place.own, memory);
	if (result < 0 && *place.own)
		result = open_home(hierarchy, &place, "", memory);
	if (result < 0) {
		snprintf(why, CGROUP_WHY_MAX, "%s at %.60s: %s: %s", name, place.point,
		    strerror(-result),
		    result == -EROFS ? "give the container CAP_SYS_ADMIN, or mount it writable"
				     : "start as root");
		return result;
	}
	/* Controllers that are mounted together are one hierarchy. */
	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
		if (cgroup_listed(place.options, ",", cgroup_controller_names[i]))
			hierarchy->controllers |= 1u << i;
	return 0;
}

size_t cgroup_v1_find(const struct cgroup_texts *texts,
    struct cgroup_hierarchy hierarchies[CGROUP_CONTROLLERS],
    char why[CGROUP_CONTROLLERS][CGROUP_WHY_MAX])
{
	unsigned found = 0;
	size_t n = 0;

	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		hierarchies[n] = (struct cgroup_hierarchy){ .home = -1, .base = -1 };
		if (found & 1u << i ||
		    find_one(texts, &hierarchies[n], (enum cgroup_controller)i, why[i]) < 0)
			continue;
		found |= hierarchies[n++].controllers;
	}
	return n;
}
