package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const postgresBin = "/usr/lib/postgresql/18/bin/"

// enterRoot gets a command ready to run inside the rootfs $0 as its user
// postgres, with the folder $1 of the checkout in the place of the user's home.
// It runs in a mount namespace of its own: the mounts are gone with it.
const enterRoot = `home="$0/var/lib/postgresql"; user=$(stat -c %u "$home"); group=$(stat -c %g "$home")
mount --rbind /dev "$0/dev" && mount --bind "$1" "$home" && chown "$user:$group" "$1" && shift || exit
enter="unshare --root=$0 --wd=/var/lib/postgresql/$1 --setuid=$user --setgid=$group"; shift
`

// inRoot is the command line of a command that ends soon, with all of its
// processes even if it is killed.
func (s *stack) inRoot(argv ...string) []string {
	return append([]string{
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enterRoot + `$enter "$@"; exit $?`,
		filepath.Join(s.cache, rootfsName), s.sub("postgres"), ".",
	}, argv...)
}

func (s *stack) postgres() engine {
	argv := []string{postgresBin + "postgres", "-D", "/var/lib/postgresql/data"}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(s.ends.Postgres),
		"unix_socket_directories=", // a stale socket lock would stop a restart
		"max_connections=200",
		// extended_rum, named first, keeps a sort behind an equality prefix in
		// the index; the other settings are what else DocumentDB sorts need.
		"shared_preload_libraries=pg_cron,pg_documentdb_extended_rum,pg_documentdb_core,pg_documentdb",
		"documentdb.alternate_index_handler_name=extended_rum",
		"documentdb.enable_merge_sort_for_in_prefix=on",
		"cron.database_name=postgres",
		"cron.host=127.0.0.1",
		"cron.log_run=off", // DocumentDB has a job that runs every two seconds
		"cron.log_statement=off",
		"deadlock_timeout=100ms", // racing inserts into a unique index wait this long
		"autovacuum_naptime=5s",  // the planner needs statistics soon after a load
		"autovacuum_analyze_threshold=50",
	} {
		argv = append(argv, "-c", setting)
	}
	// It stands in its folder from the first moment, and so is never missed.
	start := append([]string{
		"unshare", "--mount", "sh", "-c", enterRoot + `exec $enter "$@"`,
		filepath.Join(s.cache, rootfsName), s.sub("postgres"), "data",
	}, argv...)
	isReady := s.inRoot(postgresBin+"pg_isready", "--quiet", "--host=127.0.0.1", "--port="+strconv.Itoa(s.ends.Postgres))
	return engine{
		name: "postgres", dir: s.data(), port: s.ends.Postgres, stop: syscall.SIGINT,
		argv: argv, start: start, env: []string{"LC_ALL=C.UTF-8"},
		prepare: s.initdb,
		ready:   func(ctx context.Context) error { return s.command(ctx, "pg_isready", nil, isReady...) },
	}
}

func (s *stack) data() string { return s.sub("postgres/data") }

// initdb makes the database files under a name that becomes theirs when they
// are whole. Where they are there already, it removes the note of a server
// that was killed: no process of this database is left when it is called, but
// the id in the note may be another's by now.
func (s *stack) initdb(ctx context.Context) error {
	if exists(s.data()) {
		if err := os.Remove(filepath.Join(s.data(), "postmaster.pid")); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	fresh := s.sub("postgres/fresh")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := s.command(ctx, "initdb", []string{"LC_ALL=C.UTF-8"}, s.inRoot(postgresBin+"initdb",
		"--pgdata=/var/lib/postgresql/fresh", "--username=postgres", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8")...); err != nil {
		return err
	}
	return os.Rename(fresh, s.data())
}

// psql runs statements in the database.
func (s *stack) psql(ctx context.Context, statements ...string) error {
	argv := []string{
		postgresBin + "psql", "--quiet", "--no-psqlrc", "--host=127.0.0.1", "--port=" + strconv.Itoa(s.ends.Postgres),
		"--username=postgres", "--set=ON_ERROR_STOP=1",
	}
	for _, sql := range statements {
		argv = append(argv, "--command="+sql)
	}
	return s.command(ctx, "psql", nil, s.inRoot(argv...)...)
}

// checkpoint has the database write to its files what it holds in memory.
func (s *stack) checkpoint(ctx context.Context) error { return s.psql(ctx, "CHECKPOINT") }

func (s *stack) ferretdb() engine {
	dir := s.sub("ferretdb")
	return engine{
		name: "ferretdb", dir: dir, port: s.ends.FerretDB, stop: syscall.SIGTERM,
		argv: []string{
			filepath.Join(s.cache, ferretName, "ferretdb"), "--no-auth", "--telemetry=disable", "--log-level=WARN",
			"--state-dir=" + dir, "--listen-addr=" + local(s.ends.FerretDB), "--debug-addr=" + local(s.ends.Health),
			"--postgresql-url=postgres://postgres@" + local(s.ends.Postgres) + "/postgres",
		},
		prepare: func(ctx context.Context) error {
			return s.psql(ctx, "CREATE EXTENSION IF NOT EXISTS documentdb CASCADE", "CREATE EXTENSION IF NOT EXISTS documentdb_extended_rum")
		},
		ready: answersHTTP("http://" + local(s.ends.Health) + "/debug/readyz"),
	}
}

func (s *stack) minio() engine {
	dir := s.sub("minio")
	return engine{
		name: "minio", dir: dir, port: s.ends.MinIO, stop: syscall.SIGTERM,
		argv: []string{
			filepath.Join(s.cache, minioName, "minio"), "server", "--quiet",
			"--certs-dir=" + filepath.Join(dir, "certs"), "--address=" + local(s.ends.MinIO), filepath.Join(dir, "disk"),
		},
		env: []string{
			"MINIO_ROOT_USER=" + s.ends.AccessKey, "MINIO_ROOT_PASSWORD=" + s.ends.SecretKey,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_API_STALE_UPLOADS_EXPIRY=168h", // longer than an upload record lives
		},
		ready: answersHTTP("http://" + local(s.ends.MinIO) + "/minio/health/ready"),
	}
}

func (s *stack) fcm() engine {
	return engine{
		name: "fcm", dir: s.sub("fcm"), port: s.ends.FCM, stop: syscall.SIGTERM,
		argv:  []string{s.sub("bin/devstack"), "fcm", "--listen", local(s.ends.FCM)},
		ready: answersHTTP("http://" + local(s.ends.FCM) + "/received"),
	}
}
