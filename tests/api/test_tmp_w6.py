import time, urllib3, subprocess, sys
from tests.faults.serving import Service
from tests.faults.cluster import files_for_node
def test_x(postgres_built, tmp_path):
    b=postgres_built
    f=files_for_node(b.files.keys.parent,tmp_path/"second")
    ss=[Service(b.database.url,("--workers","2","--files",str(x))) for x in (b.files.keys.parent,f)]
    ss[0].start()
    s=ss[1]
    s.process=subprocess.Popen([sys.executable,"-m","api.cli","serve","--database",s.url,"--port",str(s.port),*s.options],cwd="/work/main",start_new_session=True)
    for _ in range(14):
        time.sleep(1)
        try: r=urllib3.request("GET",s.address+"/readyz",retries=False,timeout=3); print(r.status,r.data[:300])
        except Exception as e: print(e.__class__)
    with b.database and __import__("psycopg").connect(b.database.url) as c: print(c.execute("select count(*), (select setting from pg_settings where name='max_connections') from pg_stat_activity").fetchall())
    ss[0].kill(); s.kill(); assert 0
