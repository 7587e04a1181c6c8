# One Spark session with a Hive metastore of its own, for test/helpers/spark.ts: a request in JSON a line, an answer in JSON a line.
import datetime
import decimal
import json
import os
import sys

from pyspark.sql import SparkSession

folder = sys.argv[1]
class_path = sys.argv[2]

# The JVM shares our standard output: answers get a way of their own, and everything else goes to standard error.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "1g")
    .config("spark.driver.extraClassPath", class_path)
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.sql.warehouse.dir", folder + "/warehouse")
    .config("spark.driver.extraJavaOptions", "-XX:-UsePerfData -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dderby.system.durability=test -Duser.timezone=UTC -Dderby.stream.error.file=" + folder + "/derby.log")
    .config("spark.hadoop.javax.jdo.option.ConnectionURL", "jdbc:derby:;databaseName=" + folder + "/metastore;create=true")
    .config("spark.hadoop.hive.exec.scratchdir", folder + "/scratch")
    .config("spark.hadoop.hadoop.tmp.dir", folder + "/hadoop")
    # Hive's own engine: MapReduce within this JVM, joins without a `hadoop` program.
    .config("spark.hadoop.mapreduce.framework.name", "local")
    .config("spark.hadoop.hive.auto.convert.join", "false")
    .enableHiveSupport()
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
spark.sql("SHOW DATABASES").collect()
# Spark lets its own tests talk to the Hive beneath it, past Spark's parser and engine.
spark._jvm.java.lang.System.setProperty("spark.testing", "true")
hive = spark._jsparkSession.sharedState().externalCatalog().unwrapped().client()


def shown(value, kind):
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, (bytes, bytearray)):
        return value.hex().upper()
    # Beyond what JavaScript's numbers hold.
    if kind == "bigint" or isinstance(value, decimal.Decimal):
        return str(value)
    return value


def answer(request):
    if request["engine"] == "hive":
        lines = hive.runSqlHive(request["sql"])
        return {"rows": [lines.apply(i).split("\t") for i in range(lines.size())]}
    spark.conf.set("spark.sql.hive.convertMetastoreParquet", "true" if request["engine"] == "spark" else "false")
    frame = spark.sql(request["sql"])
    kinds = [kind for _, kind in frame.dtypes]
    rows = [[shown(value, kind) for value, kind in zip(row, kinds)] for row in frame.collect()]
    return {"columns": frame.columns, "rows": rows}


answers.write(json.dumps({"version": spark.version}) + "\n")
answers.flush()
for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except Exception as error:
        result = {"error": str(error)}
    answers.write(json.dumps(result) + "\n")
    answers.flush()
spark.stop()
