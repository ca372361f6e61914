/* needs: buf.c */
/* parcel.c's tests: what goes in comes out; what is not a parcel is refused wherever it breaks off */
#include "../../parcel.c"

#include "test.h"

static void fill(struct buf *buf)
{
	buf_init(buf, 1 << 20);
	parcel_begin(buf);
	parcel_arg(buf, STR("/bin/echo"));
	parcel_arg(buf, STR(""));
	parcel_env(buf, STR("A"), STR("b=c"));
	parcel_cwd(buf, STR("/tmp"));
	parcel_file(buf, STR("/a/b"), 0107755, STR("x\0y"));
	parcel_file(buf, STR("empty"), 0600, STR(""));
	parcel_copy(buf, STR("/out"));
	parcel_copy(buf, STR("other"));
}

/* parcel_open of these bytes; what it has mapped is given back, but for *parcel where it is wanted. */
static int open_bytes(struct parcel *parcel, const void *bytes, size_t len)
{
	struct parcel own;
	int sealed = parcel_seal("test", (struct str){ bytes, len });
	int posted = parcel_post("test", (struct str){ bytes, len });

	if (sealed < 0 || posted < 0)
		return -EMFILE;
	/* From a memfd as from wherever it is posted. */
	int error = parcel_open(&own, sealed);
	parcel_close(&own);
	CHECK_INT(parcel_open(parcel ? parcel : &own, posted), error);
	close(sealed);
	close(posted);
	if (error || !parcel)
		parcel_close(parcel ? parcel : &own);
	return error;
}

TEST("what is packed comes out again")
{
	struct parcel parcel;
	struct str content;
	const char *path;
	uint32_t mode;
	struct buf buf;

	fill(&buf);
	CHECK_INT(open_bytes(&parcel, buf.data, buf.len), 0);
	buf_free(&buf);
	CHECK(!strcmp(parcel.argv[0], "/bin/echo") && !parcel.argv[1][0] && !parcel.argv[2]);
	CHECK(!strcmp(parcel.envp[0], "A=b=c") && !parcel.envp[1]);
	CHECK(!strcmp(parcel.cwd, "/tmp"));
	CHECK(parcel_next_file(&parcel.files, &path, &mode, &content));
	CHECK(!strcmp(path, "/a/b") && content.len == 3 && !memcmp(content.data, "x\0y", 3));
	/* Permission bits alone: no setuid comes this way. */
	CHECK_INT(mode, 0755);
	CHECK(parcel_next_file(&parcel.files, &path, &mode, &content));
	CHECK(!strcmp(path, "empty") && content.len == 0 && mode == 0600);
	CHECK(!parcel_next_file(&parcel.files, &path, &mode, &content));
	CHECK(parcel_next_copy(&parcel.copies, &path) && !strcmp(path, "/out"));
	CHECK(parcel_next_copy(&parcel.copies, &path) && !strcmp(path, "other"));
	CHECK(!parcel_next_copy(&parcel.copies, &path));
	parcel_close(&parcel);
	CHECK(!parcel.map && !parcel.argv);
}

TEST("a parcel that breaks off anywhere, or goes on, is refused")
{
	struct buf buf;

	fill(&buf);
	for (size_t len = 0; len < buf.len; len++)
		CHECK(open_bytes(NULL, buf.data, len) != 0);
	buf_putc(&buf, '\0');
	CHECK_INT(open_bytes(NULL, buf.data, buf.len), -EBADMSG);
	buf_free(&buf);
}

TEST("counts that promise more than there is are refused")
{
	static const size_t places[] = {
		offsetof(struct parcel_head, magic), offsetof(struct parcel_head, argc), offsetof(struct parcel_head, envc),
		offsetof(struct parcel_head, files), offsetof(struct parcel_head, copies),
	};
	static const uint32_t values[] = { 3, PARCEL_STRINGS_MAX, PARCEL_STRINGS_MAX + 1, UINT32_MAX };
	struct buf buf;

	fill(&buf);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			uint32_t before;
			memcpy(&before, buf.data + places[i], sizeof(before));
			memcpy(buf.data + places[i], &values[j], sizeof(before));
			CHECK(open_bytes(NULL, buf.data, buf.len) != 0);
			memcpy(buf.data + places[i], &before, sizeof(before));
		}
	CHECK_INT(open_bytes(NULL, buf.data, buf.len), 0);
	buf_free(&buf);
}

TEST("a file that is longer than what is left of its parcel is none")
{
	struct parcel_file file = { .size = 4, .mode = 0644, .path_len = 1 };
	char bytes[sizeof(file) + 5];
	struct str rest = { bytes, sizeof(bytes) }, content;
	const char *path;
	uint32_t mode;

	memcpy(bytes, &file, sizeof(file));
	memcpy(bytes + sizeof(file), "p\0abc", 5);
	CHECK(!parcel_next_file(&rest, &path, &mode, &content));
	file.size = 3;
	memcpy(bytes, &file, sizeof(file));
	CHECK(parcel_next_file(&rest, &path, &mode, &content) && rest.len == 0);
}

TEST("a file whose size or path is not what it says is refused")
{
	static const uint64_t sizes[] = { 4, UINT64_MAX, UINT64_MAX - 3, 1ull << 63 };
	struct parcel_file file;
	struct buf buf;

	fill(&buf);
	char *at = memmem(buf.data, buf.len, "/a/b", 4);
	CHECK(at != NULL);
	at -= sizeof(file);
	memcpy(&file, at, sizeof(file));
	CHECK_INT(file.path_len, 4);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct parcel_file other = file;
		other.size = sizes[i];
		memcpy(at, &other, sizeof(other));
		CHECK_INT(open_bytes(NULL, buf.data, buf.len), -EBADMSG);
	}
	file.path_len = 3;
	memcpy(at, &file, sizeof(file));
	CHECK_INT(open_bytes(NULL, buf.data, buf.len), -EBADMSG);
	buf_free(&buf);
}

TEST("a small parcel is read out of a pipe, and nothing of it stays; a large one is mapped, whatever its count of strings")
{
	static const size_t sizes[] = { 1, PARCEL_SMALL - 200, PARCEL_SMALL, PARCEL_SMALL + 1, 1 << 20 };
	static char text[1 << 20];
	struct parcel parcel;

	memset(text, 'x', sizeof(text));
	memset(&parcel, 0, sizeof(parcel));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t strings = 1; strings < 4 * PARCEL_SMALL_STRINGS; strings *= 3) {
			struct buf buf;
			buf_init(&buf, 4 << 20);
			parcel_begin(&buf);
			for (size_t n = 0; n < strings; n++)
				parcel_arg(&buf, STR("a"));
			parcel_env(&buf, STR("TEXT"), (struct str){ text, sizes[i] });
			parcel_cwd(&buf, STR("/"));
			int fd = parcel_post("test", buf_str(&buf));
			CHECK_INT(parcel_open(&parcel, fd), 0);
			CHECK_INT(parcel.head.argc, strings);
			CHECK(strlen(parcel.envp[0]) == sizes[i] + 5 && !parcel.envp[1]);
			CHECK((parcel.map != NULL) == (buf.len > PARCEL_SMALL));
			buf_free(&buf);
			close(fd);
			parcel_close(&parcel);
			CHECK(!memchr(parcel.small, 'x', sizeof(parcel.small)));
		}
}

TEST("a parcel is sealed against every change")
{
	char byte = 'x';
	int fd = parcel_seal("test", STR("content"));

	CHECK(fd >= 0);
	CHECK_INT(fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL),
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	CHECK_INT(write(fd, &byte, 1), -1);
	CHECK_INT(ftruncate(fd, 0), -1);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(read(fd, &byte, 1), 1);
	CHECK_INT(byte, 'c');
	close(fd);
	CHECK_INT(parcel_open(&(struct parcel){ .map = NULL }, -1), -EBADF);
}

TEST("a buffer that is too small is remembered")
{
	struct buf buf;

	buf_init(&buf, sizeof(struct parcel_head) + 4);
	parcel_begin(&buf);
	CHECK(!buf.failed);
	parcel_arg(&buf, STR("12345"));
	CHECK(buf.failed);
	buf_free(&buf);
}

TEST_MAIN()
