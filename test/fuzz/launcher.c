/* needs: available.c buf.c cgroup.c cgroup_files.c cgroup_v1.c cgroup_v2.c files.c init.c jail.c json.c launcher.c launcher_open.c launcher_run.c launcher_slot.c limit.c log.c message.c parcel.c result.c root.c sample.c seccomp.c seccomp_table.c store.c time_text.c token.c trace.c uid.c wait.c */
/* Any messages with descriptors of any kind, as a server that has been taken over sends them, to a launcher without a place for a
 * sandbox: whatever it would have started has been checked. (Where it has places: test/unit/launcher.c.) */
#include "../../launcher_request.c"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS = 4, KINDS = 8 };

static void must(bool condition)
{
	if (!condition)
		abort();
}

static int descriptor(unsigned kind)
{
	int ends[2];

	switch (kind) {
	case 0: return memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	case 1: return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 2: return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 3: return epoll_create1(EPOLL_CLOEXEC);
	case 4: return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case 5: return open("/dev/zero", O_RDONLY | O_CLOEXEC);
	case 6:
		must(!pipe2(ends, O_CLOEXEC));
		close(ends[0]);
		return ends[1];
	default: {
		int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
		return fd;
	}
	}
}

/* By the rules that message.h and limit.h state. */
static void check_accepted(const struct message_run *run, const uint8_t *kinds, size_t fds_len)
{
	must(run->run < RUNS && run->operation < OPERATIONS_LEN && run->network == NETWORK_NONE);
	must(run->has_copy_out <= 1 && fds_len == 4 + run->has_copy_out);
	for (int i = 0; i < LIMITS_LEN; i++) {
		uint64_t value = limits_get(&run->limits, (enum limit_id)i);
		must(value >= 1 && value <= limit_fields[i].greatest);
	}
	must(run->limits.nofile <= 1024);
	for (size_t i = 0; i < fds_len; i++) {
		unsigned kind = kinds[i] % KINDS;
		must(i == 0 ? kind == 7 : kind == 0 || kind == 1 || kind == 6 || kind == 7);
	}
}

static void send_fuzzed(int fd, const void *message, size_t len, const uint8_t *kinds, size_t fds_len)
{
	int fds[MESSAGE_FDS_MAX];

	for (size_t i = 0; i < fds_len; i++)
		must((fds[i] = descriptor(kinds[i] % KINDS)) >= 0);
	must(!message_send(fd, message, len, fds, fds_len));
	while (fds_len)
		close(fds[--fds_len]);
}

/* First byte: how many descriptors; then their kinds; then the message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct launcher launcher = {
		.config = { .runs_max = RUNS }, .facts = { .nofile_max = 1024 }, .token_dir = -1,
	};
	union message message;
	int ends[2], fds[MESSAGE_FDS_MAX];

	if (size < 1 + MESSAGE_FDS_MAX + 1 || size > 1 + MESSAGE_FDS_MAX + sizeof(message))
		return 0;
	size_t fds_len = data[0] % (MESSAGE_FDS_MAX + 1), len = size - 1 - MESSAGE_FDS_MAX;
	const uint8_t *kinds = data + 1;
	memset(&message, 0, sizeof(message));
	memcpy(&message, kinds + MESSAGE_FDS_MAX, len);
	must(!message_pair(ends));
	launcher.front = ends[1];
	wait_open(&launcher.wait);
	send_fuzzed(ends[0], &message, len, kinds, fds_len);
	must(launcher_take_requests(&launcher));
	/* Only what needs no store can have been right; a run finds no place, and is told so. */
	must(launcher.front_failed || message.type == MESSAGE_CANCEL || message.type == MESSAGE_GOODBYE ||
	    message.type == MESSAGE_RUN);
	if (message.type == MESSAGE_RUN && len == sizeof(message.run) && fds_len >= 4) {
		for (size_t i = 0; i < fds_len; i++)
			fds[i] = descriptor(kinds[i] % KINDS);
		if (!check_run(&launcher, &message.run, fds, fds_len))
			check_accepted(&message.run, kinds, fds_len);
		for (size_t i = 0; i < fds_len; i++)
			close(fds[i]);
	}
	if (len == sizeof(message.session)) {
		struct message_session what = message.session;
		what.id[sizeof(what.id) - 1] = '\0';
		if (store_id_valid(what.id))
			must(strlen(what.id) > 0 && !strchr(what.id, '/') && what.id[0] != '.');
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}

#include "replay.h"
