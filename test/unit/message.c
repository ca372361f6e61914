/* needs: */
/* message.c's tests: what one side sends the other gets, with its descriptors, and nothing more */
#include "../../message.c"

#include <dirent.h>
#include <fcntl.h>

#include "test.h"

static int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int n = 0;

	if (!directory)
		return -1;
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

/* Sends as a peer would that does not use message_send: any number of descriptors. */
static int send_raw(int fd, size_t len, size_t fds_len)
{
	static char bytes[70000];
	char control[CMSG_SPACE(sizeof(int) * 64)] = { 0 };
	struct iovec part = { bytes, len };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fds_len) {
		header.msg_control = control;
		header.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * fds_len);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * fds_len);
		for (size_t i = 0; i < fds_len; i++) {
			int one = 0;
			memcpy(CMSG_DATA(rights) + i * sizeof(int), &one, sizeof(one));
		}
	}
	return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

TEST("a message comes as it was sent, whole, one at a time")
{
	struct message_session sent = { .type = MESSAGE_SESSION_OPEN, .serial = 7, .disk_kb = 1ull << 40, .id = "abc" };
	union message received;
	int ends[2], fds[MESSAGE_FDS_MAX];
	size_t fds_len = 9;

	CHECK_INT(message_pair(ends), 0);
	CHECK_INT(message_send(ends[0], &sent, sizeof(sent), NULL, 0), 0);
	sent.serial = 8;
	CHECK_INT(message_send(ends[0], &sent, sizeof(sent), NULL, 0), 0);
	CHECK_INT(message_receive(ends[1], &received, sizeof(received), fds, &fds_len), (long long)sizeof(sent));
	CHECK_INT(fds_len, 0);
	CHECK_INT(received.session.serial, 7);
	CHECK(!strcmp(received.session.id, "abc"));
	CHECK_INT(message_receive(ends[1], &received, sizeof(received), fds, &fds_len), (long long)sizeof(sent));
	CHECK_INT(received.session.serial, 8);
	CHECK_INT(message_receive(ends[1], &received, sizeof(received), fds, &fds_len), -EAGAIN);
	close(ends[0]);
	CHECK_INT(message_receive(ends[1], &received, sizeof(received), fds, &fds_len), 0);
	close(ends[1]);
}

TEST("descriptors come along, close on exec, and stay the sender's")
{
	uint32_t text = MESSAGE_RUN;
	int ends[2], pipes[2], fds[MESSAGE_FDS_MAX], sent[MESSAGE_FDS_MAX];
	size_t fds_len;
	char byte = 0;

	CHECK_INT(message_pair(ends), 0);
	CHECK_INT(pipe(pipes), 0);
	for (size_t i = 0; i < MESSAGE_FDS_MAX; i++)
		sent[i] = pipes[1];
	CHECK_INT(message_send(ends[0], &text, sizeof(text), sent, MESSAGE_FDS_MAX), 0);
	CHECK_INT(message_receive(ends[1], &text, sizeof(text), fds, &fds_len), 4);
	CHECK_INT(fds_len, MESSAGE_FDS_MAX);
	for (size_t i = 0; i < fds_len; i++)
		CHECK_INT(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	CHECK_INT(write(fds[4], "x", 1), 1);
	CHECK_INT(read(pipes[0], &byte, 1), 1);
	CHECK_INT(byte, 'x');
	CHECK(fcntl(pipes[1], F_GETFD) >= 0);
	while (fds_len)
		close(fds[--fds_len]);
	close(pipes[0]);
	close(pipes[1]);
	close(ends[0]);
	close(ends[1]);
}

TEST("a message with too many descriptors is refused, and none of them stays open")
{
	union message received;
	int ends[2], fds[MESSAGE_FDS_MAX];
	size_t fds_len;

	CHECK_INT(message_pair(ends), 0);
	int before = open_descriptors();
	for (size_t n = MESSAGE_FDS_MAX + 1; n <= 60; n++) {
		CHECK_INT(send_raw(ends[0], 8, n), 0);
		ssize_t got = message_receive(ends[1], &received, sizeof(received), fds, &fds_len);
		/* The space for five has room for a sixth by its alignment: refused all the same. */
		CHECK_INT(got, -EPROTO);
		CHECK_INT(fds_len, 0);
		while (fds_len)
			close(fds[--fds_len]);
		CHECK_INT(open_descriptors(), before);
	}
	close(ends[0]);
	close(ends[1]);
}

TEST("a message longer than any is refused, with its descriptors")
{
	union message received;
	int ends[2], fds[MESSAGE_FDS_MAX];
	size_t fds_len;

	CHECK_INT(message_pair(ends), 0);
	int before = open_descriptors();
	CHECK_INT(send_raw(ends[0], sizeof(received) + 1, 3), 0);
	CHECK_INT(message_receive(ends[1], &received, sizeof(received), fds, &fds_len), -EPROTO);
	CHECK_INT(fds_len, 0);
	CHECK_INT(open_descriptors(), before);
	CHECK_INT(send_raw(ends[0], sizeof(received), 3), 0);
	CHECK_INT(message_receive(ends[1], &received, sizeof(received), fds, &fds_len), (long long)sizeof(received));
	CHECK_INT(fds_len, 3);
	while (fds_len)
		close(fds[--fds_len]);
	close(ends[0]);
	close(ends[1]);
}

TEST("a peer that takes nothing is -EAGAIN, one that is gone is another error")
{
	struct message_run run = { .type = MESSAGE_RUN };
	int ends[2], error = 0, n = 0;

	CHECK_INT(message_pair(ends), 0);
	while (!error && n++ < 100000)
		error = message_send(ends[0], &run, sizeof(run), NULL, 0);
	CHECK_INT(error, -EAGAIN);
	close(ends[1]);
	error = message_send(ends[0], &run, sizeof(run), NULL, 0);
	CHECK(error == -EPIPE || error == -ECONNRESET);
	close(ends[0]);
}

TEST("what is too large to be a message is not sent")
{
	char bytes[sizeof(union message) + 4097] = { 0 };
	int fds[MESSAGE_FDS_MAX + 1] = { 0 };
	int ends[2];

	CHECK_INT(message_pair(ends), 0);
	CHECK_INT(message_send(ends[0], bytes, sizeof(bytes), NULL, 0), -EINVAL);
	CHECK_INT(message_send(ends[0], bytes, 4, fds, MESSAGE_FDS_MAX + 1), -EINVAL);
	close(ends[0]);
	close(ends[1]);
}

TEST_MAIN()
