/* needs: buf.c */
/* Any bytes as a parcel, as pid 1 gets one from a server that has been taken over: it is refused, or all that it gives lies
 * within it. Packed again, it is the same. */
#include "../../parcel.c"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void must_lie_in(const struct parcel *parcel, const char *text)
{
	const char *begin = parcel->map ? parcel->map : parcel->small;
	size_t size = parcel->map ? parcel->map_size : parcel->small_len;

	must(text >= begin && text + strlen(text) < begin + size);
}

static void pack_again(const struct parcel *parcel, struct buf *buf)
{
	struct str files = parcel->files, copies = parcel->copies, content;
	uint32_t mode, n = 0;
	const char *path;

	parcel_begin(buf);
	for (char **arg = parcel->argv; *arg; arg++) {
		must_lie_in(parcel, *arg);
		parcel_arg(buf, str_of(*arg));
	}
	for (char **variable = parcel->envp; *variable; variable++) {
		char *equals = strchr(*variable, '=');
		must_lie_in(parcel, *variable);
		if (equals)
			parcel_env(buf, (struct str){ *variable, (size_t)(equals - *variable) }, str_of(equals + 1));
	}
	must_lie_in(parcel, parcel->cwd);
	parcel_cwd(buf, str_of(parcel->cwd));
	for (; parcel_next_file(&files, &path, &mode, &content); n++) {
		must_lie_in(parcel, path);
		must(mode <= 0777 && content.len <= (parcel->map ? parcel->map_size : parcel->small_len));
		parcel_file(buf, str_of(path), mode, content);
	}
	must(n == parcel->head.files && files.len == 0);
	for (n = 0; parcel_next_copy(&copies, &path); n++) {
		must_lie_in(parcel, path);
		parcel_copy(buf, str_of(path));
	}
	must(n == parcel->head.copies && copies.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t magic = PARCEL_MAGIC;
	struct parcel parcel;
	struct buf bytes;

	if (size < sizeof(magic) || size > 65536)
		return 0;
	buf_init(&bytes, size + 64);
	/* The magic is given: else nothing would get past it. */
	buf_append(&bytes, &magic, sizeof(magic));
	buf_append(&bytes, data + sizeof(magic), size - sizeof(magic));
	int fd = parcel_post("fuzz", buf_str(&bytes));
	buf_free(&bytes);
	must(fd >= 0);
	if (!parcel_open(&parcel, fd)) {
		struct buf again;
		buf_init(&again, size + sizeof(struct parcel_head) + 64);
		pack_again(&parcel, &again);
		must(!again.failed && again.len <= size);
		buf_free(&again);
	}
	parcel_close(&parcel);
	close(fd);
	return 0;
}

#include "replay.h"
