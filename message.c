/* message.c - one SEQPACKET message in or out, with its descriptors. Knows no message's meaning. */
#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char space[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
	struct cmsghdr align;
};

int
message_send(int fd, const void *message, size_t len, const int *fds, size_t fds_len)
{
	char bytes[sizeof(union message) > 4096 ? sizeof(union message) : 4096];
	union control control;

	if (len > sizeof(bytes) || fds_len > MESSAGE_FDS_MAX)
		return -EINVAL;
	memcpy(bytes, message, len);
	struct iovec part = { .iov_base = bytes, .iov_len = len };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	if (fds_len) {
		memset(&control, 0, sizeof(control));
		header.msg_control = control.space;
		header.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * fds_len);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * fds_len);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fds_len);
	}
	ssize_t n;
	do
		n = sendmsg(fd, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? 0 : errno == ENOMEM || errno == ENOBUFS ? -EAGAIN : -errno;
}

ssize_t
message_receive(int fd, void *message, size_t size, int *fds, size_t *fds_len)
{
	union control control;
	struct iovec part = { .iov_base = message, .iov_len = size };
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control.space, .msg_controllen = sizeof(control.space),
	};
	ssize_t n;
	bool too_many = false;

	*fds_len = 0;
	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* Only descriptors are ever sent, and they come as one control message. */
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
		size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int received;
			memcpy(&received, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
			if (*fds_len < MESSAGE_FDS_MAX)
				fds[(*fds_len)++] = received;
			else
				close(received);
			too_many |= i >= MESSAGE_FDS_MAX;
		}
	}
	/* Descriptors over the space are closed by the kernel, which says so by MSG_CTRUNC. */
	if (too_many || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (*fds_len)
			close(fds[--*fds_len]);
		return -EPROTO;
	}
	return n;
}

int
message_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) ? -errno : 0;
}
