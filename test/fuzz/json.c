/* needs: buf.c */
/* Any bytes to the JSON parser: what it accepts, written again and read again, is the same tree.
 *
 * For libFuzzer. With FUZZ_REPLAY it is a program that takes files, or directories of files, and
 * gives each to the same checks: the corpus as a plain test. */
#include "../../json.c"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* What can be written of a value without its children; `value` is a leaf, or has just begun. */
static void write_begin(struct buf *out, const struct json_value *value)
{
	static const char *const fixed[] = {
		[JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true",
		[JSON_ARRAY] = "[", [JSON_OBJECT] = "{",
	};

	if (value->type == JSON_STRING)
		json_write_string(out, value->text);
	else if (value->type == JSON_NUMBER)
		buf_append_str(out, value->text);
	else
		buf_puts(out, fixed[value->type]);
}

/* Writes a tree. Each value is checked on the way: where it stands in the text, and its count. */
static size_t write_tree(struct buf *out, const struct json_value *value, struct str text)
{
	const struct json_value *open[JSON_DEPTH_MAX] = { NULL };
	size_t seen[JSON_DEPTH_MAX] = { 0 }, depth = 0, values = 0;

	for (;;) {
		if (value) {
			values++;
			MUST(value->offset < text.len);
			MUST(utf8_valid(value->text) && utf8_valid(value->key));
			if (depth > 0 && seen[depth - 1]++ > 0)
				buf_putc(out, ',');
			if (depth > 0 && open[depth - 1]->type == JSON_OBJECT) {
				json_write_string(out, value->key);
				buf_putc(out, ':');
			}
			write_begin(out, value);
			if (value->type == JSON_ARRAY || value->type == JSON_OBJECT) {
				MUST(depth < JSON_DEPTH_MAX);
				seen[depth] = 0;
				open[depth++] = value;
				value = value->first;
				continue;
			}
			MUST(value->count == 0 && !value->first);
		} else {
			depth--;
			MUST(seen[depth] == open[depth]->count);
			buf_putc(out, open[depth]->type == JSON_OBJECT ? '}' : ']');
			value = open[depth];
		}
		if (depth == 0)
			return values;
		value = value->next;
	}
}

static void check_error(const struct json_error *error, struct str text)
{
	MUST(error->fault != JSON_OK && error->fault != JSON_NO_MEMORY);
	MUST(error->offset <= text.len);
	MUST(error->reason && error->reason[0]);
	MUST(memchr(error->key, '\0', sizeof(error->key)) != NULL);
	MUST(utf8_valid(str_of(error->key)));
	if (error->fault == JSON_DUPLICATE_KEY)
		MUST(text.data[error->offset] == '"');
}

static void check_document(const struct json *json, struct str text)
{
	struct json_error error;
	struct json *again;
	struct buf first, second;
	size_t values;

	buf_init(&first, text.len * JSON_STRING_GROWTH + 2);
	buf_init(&second, text.len * JSON_STRING_GROWTH + 2);
	values = write_tree(&first, json_root(json), text);
	MUST(values == json->n && values <= JSON_VALUES_MAX);
	MUST(!first.failed);
	again = json_parse(buf_str(&first), &error);
	MUST(again && error.fault == JSON_OK);
	MUST(again->n == values);
	for (size_t i = 0; i < values; i++) {
		const struct json_value *a = &json->tree[i], *b = &again->tree[i];

		MUST(a->type == b->type && a->count == b->count);
		MUST(a->is_integer == b->is_integer && a->integer == b->integer);
		MUST(str_eq(a->text, b->text) && str_eq(a->key, b->key));
	}
	write_tree(&second, json_root(again), buf_str(&first));
	MUST(str_eq(buf_str(&first), buf_str(&second)));
	json_free(again);
	buf_free(&first);
	buf_free(&second);
}

/* Any bytes can be written as a string: one that reads as they are, if they are UTF-8. */
static void check_written(struct str text)
{
	struct json_error error;
	struct json *json;
	struct buf out;

	buf_init(&out, text.len * JSON_STRING_GROWTH + 2);
	MUST(json_write_string(&out, text) == 0);
	json = json_parse(buf_str(&out), &error);
	MUST(json && json_root(json)->type == JSON_STRING);
	MUST(str_eq(json_root(json)->text, text) == utf8_valid(text));
	json_free(json);
	out.len = 0;
	MUST(json_write_base64(&out, text) == 0);
	json = json_parse(buf_str(&out), &error);
	MUST(json != NULL);
	out.len = 0;
	MUST(buf_base64_decode(&out, json_root(json)->text) == 0);
	MUST(str_eq(buf_str(&out), text));
	json_free(json);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct json_error error;
	struct json *json = json_parse(text, &error);
	struct buf decoded;

	if (json) {
		MUST(error.fault == JSON_OK);
		check_document(json, text);
	} else {
		check_error(&error, text);
	}
	json_free(json);
	check_written(text);
	/* What base64 decodes, it encodes to the same: canonical is one text for all bytes. */
	buf_init(&decoded, size * 3 + 8);
	if (buf_base64_decode(&decoded, text) == 0) {
		size_t n = decoded.len;

		MUST(buf_base64_encode(&decoded, (struct str){ NULL, 0 }) == 0);
		MUST(buf_reserve(&decoded, n * 2 + 8) == 0);
		MUST(buf_base64_encode(&decoded, (struct str){ decoded.data, n }) == 0);
		buf_consume(&decoded, n);
		MUST(str_eq(buf_str(&decoded), text));
	}
	buf_free(&decoded);
	return 0;
}

#ifdef FUZZ_REPLAY
#include <dirent.h>
#include <sys/stat.h>

/* 1, or -errno where the file cannot be read. */
static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char block[4096];
	struct buf text;
	size_t n;
	int error = 0;

	if (!file)
		return -errno;
	buf_init(&text, 64 << 20);
	while ((n = fread(block, 1, sizeof(block), file)) > 0 && !error)
		error = buf_append(&text, block, n);
	if (ferror(file))
		error = -EIO;
	fclose(file);
	if (!error)
		LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&text).data, text.len);
	buf_free(&text);
	return error ? error : 1;
}

/* Files replayed, or -errno. */
static int replay_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int n = 0, done = 0;

	if (!directory)
		return -errno;
	while (done >= 0 && (entry = readdir(directory)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		done = replay_file(name);
		n++;
	}
	closedir(directory);
	return done < 0 ? done : n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		struct stat status;
		int done;

		if (stat(argv[i], &status) != 0)
			done = -errno;
		else
			done = S_ISDIR(status.st_mode) ? replay_directory(argv[i]) :
							 replay_file(argv[i]);
		if (done < 0) {
			fprintf(stderr, "replay: %s: %s\n", argv[i], strerror(-done));
			return 1;
		}
		n += done;
	}
	printf("%d inputs\n", n);
	/* A corpus that is not there would be a test that cannot fail. */
	return n == 0;
}
#endif
