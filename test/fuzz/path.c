/* needs: api_file.c api_run.c api_session.c available.c buf.c cgroup.c cgroup_files.c cgroup_v1.c cgroup_v2.c check.c check_kernel.c check_trial.c cli.c confine.c environment.c files.c http.c http_connection.c http_input.c http_output.c http_parse.c http_quiet.c init.c jail.c json.c launcher.c launcher_open.c launcher_request.c launcher_run.c launcher_slot.c limit.c listener.c log.c message.c options.c parcel.c request.c result.c root.c sample.c sandbox.c seccomp.c seccomp_table.c server.c session.c store.c time_text.c token.c trace.c uid.c wait.c */
/* Any bytes as the path, Host and Origin of a request: what comes out of a path is one that says where it leads */
#include "../../api.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_path(struct str path)
{
	char text[REQUEST_PATH_MAX + 3];

	must(path.len >= 1 && path.len <= REQUEST_PATH_MAX + 2 && path.data[0] == '/' && !str_has_nul(path));
	memcpy(text, path.data, path.len);
	text[path.len] = '\0';
	must(!strstr(text, "//") && !strstr(text, "/./") && !strstr(text, "/../"));
	must(path.len < 2 || strcmp(text + path.len - 2, "/.") != 0);
	must(path.len < 3 || strcmp(text + path.len - 3, "/..") != 0);
}

static void try_route(struct api *api, struct str path)
{
	char allow[64] = "";
	struct http_request request = { .method = (enum http_method)(path.len % (HTTP_OTHER + 1)), .path = path };
	struct str id = { NULL, 0 }, rest = { NULL, 0 };
	struct job job = { .client = { 0, 0 } };

	(void)find_route(&request, &id, &rest, allow, sizeof(allow));
	must(strlen(allow) < sizeof(allow) - 1);
	must(!id.data || (id.len && !memchr(id.data, '/', id.len)));
	if (rest.data && set_path(api, &job, rest)) {
		check_path(job.path);
		free_text(&job.path);
	}
}

static void try_host(struct api *api, struct str host)
{
	struct str name = str_until(host, ":");
	char origin[400];

	must(name.len <= host.len);
	/* A name with a letter in it is allowed only by name: else a name that an attacker points here would be. */
	bool letters = false;
	for (size_t i = 0; i < name.len && host.data[0] != '['; i++)
		letters |= (name.data[i] | 0x20) >= 'a' && (name.data[i] | 0x20) <= 'z';
	if (letters && host_allowed(api, host))
		must(str_is_nocase(name, "localhost"));
	if (host.len && host.len < 300 && !str_has_nul(host)) {
		int n = snprintf(origin, sizeof(origin), "http://%.*s", (int)host.len, host.data);
		must(origin_allowed((struct str){ origin, (size_t)n }, host));
		must(!origin_allowed((struct str){ origin, (size_t)n - 1 }, host));
		must(!origin_allowed((struct str){ origin + 1, (size_t)n - 1 }, host));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct option_list none;
	struct http_config http = { .connections_max = 1 };
	struct api api = { .config = { .allow_host = &none } };
	char path[5000];

	if (size > 4800 || http_open(&api.config.http, &http))
		return 0;
	/* As it comes, and below a session's files. */
	int n = snprintf(path, sizeof(path), "/sessions/a/files/");
	if (size)
		memcpy(path + n, data, size);
	try_route(&api, (struct str){ path, (size_t)n + size });
	try_route(&api, (struct str){ (const char *)data, size });
	try_host(&api, (struct str){ (const char *)data, size });
	http_close(api.config.http);
	return 0;
}

#include "replay.h"
