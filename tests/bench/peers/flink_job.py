"""Flink SQL: a TUMBLE of one minute for each measure, HOP and OVER on those minutes, breaches written to a topic.

One slot, one job for all rules, so that sources and minutes are shared; checkpoints go to files. Rows are breaches; of
levels they are changes, with 1 where a breach begins and 0 where it ends. FLINK_KAFKA_JAR names the Kafka connector.
"""

import os

from job import ALL, LATENESS_S, SAVE_EVERY_S, TOPICS, Measure, Rule, begun, done, the_job
from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

DATA = {
    "traffic": ("ROW<sku STRING, channel STRING, campaign STRING>", "data.sku AS", ""),
    "orders": (
        "ROW<lines ARRAY<ROW<sku STRING>>, channel STRING, campaign STRING, total DOUBLE>",
        "data.lines[1].sku AS",
        ", cents AS CAST(ROUND(data.total * 100, 0) AS BIGINT)",
    ),
    "inventory": ("ROW<sku STRING, available BIGINT>", "data.sku AS", ", available AS data.available"),
}


class Tables:
    """Views by what they hold, each made once. Flows have the columns ws, we, wt (begin, end and time), g, v and n."""

    def __init__(self, env: TableEnvironment, address: str, topic: str) -> None:
        self._env, self._made = env, set()
        for name in TOPICS.values():
            self._source(name, address)
        env.execute_sql(
            f"""CREATE TABLE alerts (rule STRING, g STRING, m TIMESTAMP_LTZ(3), holds BOOLEAN) WITH (
            'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{address}',
            'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')"""
        )

    def _source(self, name: str, address: str) -> None:
        data, _, more = DATA[name]
        sku = "data.lines[1].sku" if name == "orders" else "data.sku"
        labels = "" if name == "inventory" else ", channel AS data.channel, campaign AS data.campaign"
        self._env.execute_sql(
            f"""CREATE TABLE {name} (id STRING, data {data}, sku AS {sku}{labels}{more}, `time` TIMESTAMP_LTZ(3),
            WATERMARK FOR `time` AS `time` - INTERVAL '{LATENESS_S}' SECOND) WITH (
            'connector' = 'kafka', 'topic' = '{name}', 'properties.bootstrap.servers' = '{address}',
            'properties.group.id' = 'flink', 'scan.startup.mode' = 'earliest-offset',
            'scan.bounded.mode' = 'latest-offset', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')"""
        )

    def _view(self, name: str, select: str) -> str:
        if name not in self._made:
            self._made.add(name)
            self._env.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {select}")
        return name

    def minute(self, measure: Measure) -> str:
        value = "COUNT(*) AS v" if measure.how == "count" else "SUM(cents) AS v"
        by, group = (f", {measure.by}", measure.by) if measure.by else ("", f"'{ALL}'")
        return self._view(
            measure.name,
            f"""SELECT window_start AS ws, window_end AS we, window_time AS wt, {group} AS g, {value}, COUNT(*) AS n
            FROM TABLE(TUMBLE(TABLE {measure.topic}, DESCRIPTOR(`time`), INTERVAL '1' MINUTE))
            GROUP BY window_start, window_end, window_time{by}""",
        )

    def window(self, measure: Measure, length: int) -> str:
        minute = self.minute(measure)
        if length == 1:
            return minute
        return self._view(
            f"{minute}_{length}",
            f"""SELECT window_start AS ws, window_end AS we, window_time AS wt, g, SUM(v) AS v, SUM(n) AS n
            FROM TABLE(HOP(TABLE {minute}, DESCRIPTOR(wt), INTERVAL '1' MINUTE, INTERVAL '{length}' MINUTE))
            GROUP BY window_start, window_end, window_time, g""",
        )

    def over(self, measure: Measure, previous: int) -> str:
        """Each minute with the sum of those before it."""
        minute = self.minute(measure)
        return self._view(
            f"{minute}_over_{previous}",
            f"""SELECT ws, we, g, v, SUM(v) OVER w - v AS usual FROM {minute} WINDOW w AS (PARTITION BY g ORDER BY wt
            RANGE BETWEEN INTERVAL '{previous}' MINUTE PRECEDING AND CURRENT ROW)""",
        )

    def levels(self, measure: Measure) -> str:
        """The newest value of each minute, and the one before it."""
        newest = self._view(
            f"{measure.name}_newest",
            f"""SELECT ws, wt, g, v FROM (SELECT window_start AS ws, window_time AS wt, sku AS g, available AS v,
            ROW_NUMBER() OVER (PARTITION BY window_start, window_end, sku ORDER BY `time` DESC, id DESC) AS r
            FROM TABLE(TUMBLE(TABLE {measure.topic}, DESCRIPTOR(`time`), INTERVAL '1' MINUTE))) WHERE r = 1""",
        )
        before = "LAG(v) OVER (PARTITION BY g ORDER BY wt)"
        return self._view(measure.name, f"SELECT ws, g, v, {before} AS p FROM {newest}")

    def select(self, rule: Rule) -> str:
        """The rows of a rule. Compared are whole numbers, multiplied out."""
        measure, window, previous = rule.measure, rule.window, rule.previous
        times, over = rule.limit
        sign = ">" if rule.word == "above" else "<"
        if measure.how == "last":
            now, before = f"(v * {over} {sign} {times})", f"COALESCE(p * {over} {sign} {times}, FALSE)"
            table = self.levels(measure)
            return f"SELECT '{rule.name}', g, CAST(ws AS TIMESTAMP_LTZ(3)), {now} FROM {table} WHERE {now} <> {before}"
        number = "x.n" if measure.how == "average" else "1"
        enough = f"x.v * {rule.at_least[1]} >= {rule.at_least[0]} * {number}"
        head = f"SELECT '{rule.name}', x.g, CAST(x.we - INTERVAL '1' MINUTE AS TIMESTAMP_LTZ(3)), TRUE FROM"
        if not previous:
            return f"{head} {self.window(measure, window)} x WHERE x.v * {over} {sign} {times} * {number} AND {enough}"
        if window == 1 and measure.how != "average":
            holds = f"x.v * {previous * over} {sign} {times} * x.usual"
            return f"{head} {self.over(measure, previous)} x WHERE {enough} AND {holds}"
        tables = f"{self.window(measure, window)} x JOIN {self.window(measure, window + previous)} y"
        usual, per = (
            ("(y.v - x.v)", "(y.n - x.n)") if measure.how == "average" else (f"(y.v - x.v) * {window}", previous)
        )
        holds = f"x.v * {per} * {over} {sign} {times} * {usual} * {number}"
        some = "y.n > x.n AND " if measure.how == "average" else ""
        return f"{head} {tables} ON x.g = y.g AND x.wt = y.wt WHERE {some}{enough} AND {holds}"


def main() -> None:
    job = the_job()
    settings = {
        "pipeline.jars": "file://" + os.environ["FLINK_KAFKA_JAR"],
        "parallelism.default": "1",
        "taskmanager.numberOfTaskSlots": "1",
        "taskmanager.memory.managed.size": "1g",
        "pipeline.object-reuse": "true",
        "execution.runtime-mode": "STREAMING",
        "execution.checkpointing.interval": f"{SAVE_EVERY_S} s",
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": f"file://{job.folder}/checkpoints",
        "rest.port": "0",
        "rest.bind-port": "0",
    }
    configuration = Configuration()
    for name, value in settings.items():
        configuration.set_string(name, value)
    modes = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    env = TableEnvironment.create(modes.build())
    env.get_config().set("table.local-time-zone", "UTC")
    tables = Tables(env, job.address, job.topic)
    statements = env.create_statement_set()
    for rule in job.rules:
        statements.add_insert_sql(f"INSERT INTO alerts {tables.select(rule)}")
    result = statements.execute()
    begun()
    result.wait()
    done()


if __name__ == "__main__":
    main()
