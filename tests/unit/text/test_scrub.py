"""Texts before the lake: nobody is left in them, and what is clinical stays, under any wording a fuzzer thinks of."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

import duckdb
import pytest

from ingestion.text import scrub

WORDS = scrub._words()
GIVEN = "明华强军伟芳娜敏静丽勇杰涛超秀兰桂英建国志红玉梅海燕晓东文斌鹏飞宇轩梓涵子墨思雨佳琪俊豪雪莲凤仙瑞祥福贵根生二妮翠花改娥存娃栓柱引弟"
RARE = "犇骉㛃翀堃赟"


def scrubbed(texts: Iterable[str], *, name: str | None = None, number: str | None = None) -> list[str]:
    rows = [(i, t, name, number) for i, t in enumerate(texts)]
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("create table told (i int, text varchar, name varchar, number varchar)")
        connection.executemany("insert into told values (?, ?, ?, ?)", rows)
        made = connection.execute(f"select {scrub.scrubbed('text', known_name='name', own_number='number')} from told order by i").fetchall()
    return [row[0] for row in made]


# Sentences of reports and notes in which nobody is named; the hard ones hold words that begin like a name.
CLINICAL = [
    "患者高血压10年，糖尿病5年。",
    "患者于2天前无明显诱因出现腹痛。",
    "患者于今日入院，于当地医院行胃镜检查。",
    "患者曾于外院行结肠镜检查，曾多次住院。",
    "患者白细胞升高，血红蛋白105g/L。",
    "患者左侧乳房外上象限触及肿物，约2.0cm×1.5cm。",
    "患者安静入睡，常感乏力。",
    "大便为黄色稀便，呕吐物为白色黏液。",
    "息肉为叶状，表面为白色，基底为周围型。",
    "病理为高级别上皮内瘤变；免疫组化为阳性。",
    "术中出血为方便止血予钛夹2枚。",
    "其父高血压，母亲白血病，父亲胃癌，女儿体健。",
    "家属要求手术，签字同意，家属签字后手术。",
    "现住院治疗，电话随访病情稳定无明显不适。",
    "右肺上叶尖段见磨玻璃结节，大小约8mm×6mm，边缘毛刺。",
    "距门齿30～34cm食管见黏膜粗糙，窄带光染色为茶色。",
    "淋巴结3/15见转移，第10组淋巴结0/2。",
    "癌胚抗原3.21ng/mL，甲胎蛋白<1.0ng/mL，CA199 12.5U/mL。",
    "病灶测值15 20 25 30 35 40mm，随访2024-03-01至2025-03-01。",
    "肝S8段低密度影，直径约12mm，CT值35HU。",
    "HPV16型阳性，TCT：LSIL，阴道镜活检CIN1。",
    "来自大同市第五人民医院，转入太原市中心医院。",
    "进镜至回盲部，循腔进镜80cm，退镜时间8分钟。",
    "静脉通路通畅，气道通路未见异常，传导路径不清。",
    "乳腺3点钟方向距乳头2cm见结节，BI-RADS 4A类。",
    "吸烟20支/日×30年，饮酒250ml/日。",
    "主任查房示继续治疗，医生告知病情，护士观察生命体征。",
    "为明确诊断收入院，为求进一步诊治来院，为何出现不详。",
    "患者常规体检发现，患者任何时候无黑便，患者向左侧卧位。",
    "患者方便后出血，患者温和饮食，患者石棉接触史10年。",
]


@pytest.mark.parametrize("name", [None, "赵六一"])
def test_clinical_sentences_stay_as_they_are(name: str | None):
    assert scrubbed(CLINICAL, name=name) == CLINICAL


def test_words_that_begin_like_a_name_are_kept_behind_a_cue():
    texts = [f"{cue}{word}，" for word in WORDS["clinical"] for cue in ("患者", "为", "父亲")]
    assert [t for t, made in zip(texts, scrubbed(texts), strict=True) if made != t] == []
    assert all(word[0] in scrub.SURNAMES for word in WORDS["clinical"]), "only such words are needed"


def names(rng: random.Random, count: int) -> list[str]:
    """Names of people as they are; those that are words of the lexicon cannot be told from them and are left out (a share is measured below)."""
    found = []
    while len(found) < count:
        family = rng.choice(scrub.SURNAMES) if rng.random() < 0.95 else rng.choice(WORDS["double_surnames"])
        found.append(family + "".join(rng.choice(GIVEN + RARE if rng.random() < 0.1 else GIVEN) for _ in range(rng.choice((1, 2, 2, 2)))))
    return found


def is_word(name: str) -> bool:
    return any(name.startswith(word) for word in WORDS["clinical"])


def test_hardly_any_name_is_taken_for_a_word():
    sample = names(random.Random(1), 20_000)
    assert sum(map(is_word, sample)) / len(sample) < 0.005


AFTER_CUE = [
    "患者{n}，男，56岁，因腹痛入院。",
    "患者{n}因便血入院",
    "患者：{n}，腹痛3天",
    "患者{n}于昨日入院",
    "病人{n}自诉乏力",
    "患者（{n}）",
    "姓名：{n} 性别：女",
    "姓名{n}，年龄60岁",
    "家属{n}代诉病史",
    "其妻{n}陪同",
    "联系人：{n}",
    "报告医师：{n}　审核医师：李某",
    "签名：{n}",
    "为{n}行胃癌根治术",
    "儿子{n}，电话不详",
    "患者{n}。",
    "患儿{n}",
    "监护人：{n}。",
    "姓名： {n}",
    "患者“{n}”复查",
    "手术者：{n}",
]


def test_names_behind_a_cue_never_survive_though_nobody_has_said_them():
    rng = random.Random(11)
    secrets = [n for n in names(rng, 3_000) if not is_word(n)]
    texts = [rng.choice(CLINICAL) + rng.choice(AFTER_CUE).format(n=n) + rng.choice(CLINICAL) for n in secrets]
    left = [(n, t) for n, t, made in zip(secrets, texts, scrubbed(texts), strict=True) if n in made]
    assert left == []


@pytest.mark.parametrize("name", ["王小明", "欧阳娜娜", "高原", "安静", "张三", "犇骉㛃", "阿依古丽·买买提", "余年"])
def test_the_known_name_never_survives_wherever_it_stands(name: str):
    rng = random.Random(5)
    ways = [name, f"{name}女士", " ".join(name), "　".join(name)] if len(name) <= 4 else [name]
    texts = []
    for _ in range(200):
        text = rng.choice(CLINICAL).replace("安静", "平静")
        place = rng.randint(0, len(text))
        texts.append(text[:place] + rng.choice(ways) + text[place:])
    made = scrubbed(texts, name=name)
    assert [t for t in made if name in t or " ".join(name) in t or "　".join(name) in t] == []


def numbers(rng: random.Random) -> tuple[str, list[str]]:
    """An ID number, a mobile or a landline as people type it, and the digits that must not be found any more."""
    area = rng.choice(("140105", "110105", "140221", "410102", "149901"))
    born = f"{rng.randint(1930, 2020)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    serial = f"{rng.randint(0, 999):03d}{rng.choice('0123456789Xx')}"
    whole = area + born + serial
    mobile = f"1{rng.randint(3, 9)}{rng.randint(0, 999_999_999):09d}"
    short = area + born[2:] + serial[:3]
    land = ("0351", "0352", "010", "0359")[rng.randint(0, 3)], f"{rng.randint(2, 8)}{rng.randint(0, 999_999):06d}"
    parted = " ".join(whole[i : i + 4] for i in range(0, 18, 4))
    a, b, c = mobile[:3], mobile[3:7], mobile[7:]
    forms = {
        whole: [whole, f"{area} {born} {serial}", f"{area}-{born}-{serial}", parted, whole.translate(WIDE)],
        mobile: [
            mobile, f"{a} {b} {c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"{mobile[:4]} {mobile[4:7]} {c}", f"{mobile[:5]} {mobile[5:]}",
            f"+86 {mobile}", mobile.translate(WIDE), mobile.translate(SPOKEN),
        ],
        short: [short],
        land[1]: [f"{land[0]}-{land[1]}", f"({land[0]}){land[1]}", f"{land[0]} {land[1]}", f"{land[0]}{land[1]}", f"{land[0]}—{land[1]}"],
    }  # fmt: skip
    secret = rng.choice(list(forms))
    return secret, forms[secret]


WIDE = str.maketrans("0123456789Xx", "０１２３４５６７８９Ｘｘ")
SPOKEN = str.maketrans("0123456789", "零一二三四五六七八九")
BESIDE = [
    "电话{s}",
    "身份证号：{s}",
    "联系方式 {s}，",
    "（{s}）",
    "手机号为{s}；",
    "证件{s}号",
    "复查请联系{s}。",
    "{s}",
    "家属电话:{s}",
    "留电{s}备查",
]


def test_numbers_of_persons_never_survive_in_any_way_of_writing():
    rng, secrets, texts = random.Random(23), [], []
    for _ in range(4_000):
        secret, forms = numbers(rng)
        written = rng.choice(forms)
        text = rng.choice(CLINICAL)
        place = rng.choice([0, len(text)] + [i + 1 for i, c in enumerate(text) if c in "，。；"])
        texts.append(text[:place] + rng.choice(BESIDE).format(s=written) + text[place:])
        secrets.append(secret)
    for secret, text, made in zip(secrets, texts, scrubbed(texts), strict=True):
        plain = made.translate(str.maketrans("零一二三四五六七八九０１２３４５６７８９Ｘｘ", "01234567890123456789Xx"))
        packed = "".join(c for c in plain if c.isdigit() or c in "Xx")
        assert secret not in packed and secret[:-1] not in packed, (text, made)


PLACES = ["山西省太原市迎泽区", "太原市小店区", "大同市平城区", "清徐县", "山西省长治市", "陕西省榆林市", "杏花岭区", "太原市"]
STREETS = ["建设北路", "迎泽大街", "滨河西路南段", "东于镇西高白村", "学府街", "解放大道", "南内环街道桃园社区", "王村乡石家庄村", "柳巷"]
DOORS = ["12号", "5号院3号楼2单元402室", "甲8号", "88号3栋1201", "3排5号", "", "二单元六层"]


def test_addresses_never_survive():
    rng, secrets, texts = random.Random(31), [], []
    for _ in range(2_000):
        street, door = rng.choice(STREETS), rng.choice(DOORS)
        place = rng.choice(PLACES)
        text = rng.choice(CLINICAL)
        texts.append(
            text + rng.choice(["家住", "住址：", "来自", "现居", "户籍地址 ", "单位在"]) + place + street + door + "。" + rng.choice(CLINICAL)
        )
        secrets.append(street)
    for secret, text, made in zip(secrets, texts, scrubbed(texts), strict=True):
        assert secret not in made, (text, made)
    lost = [(text, made) for text, made in zip(texts, scrubbed(texts), strict=True) if not made.endswith(tuple(CLINICAL))]
    assert lost == [], "nothing behind the address is lost"


def test_labelled_numbers_mail_and_the_organisations_own_number_go():
    texts = ["病案号P778899 腹腔镜", "住院号：ZY-2024001", "微信号abc_12345", "邮箱wang.xm@163.com。", "本院号A1234567复查"]
    assert scrubbed(texts, number="A1234567") == ["病案号*** 腹腔镜", "住院号：***", "微信号***", "邮箱***。", "本院号***复查"]


def test_scrubbing_again_changes_nothing():
    rng = random.Random(2)
    texts = [rng.choice(AFTER_CUE).format(n=n) + rng.choice(CLINICAL) for n in names(rng, 300)]
    once = scrubbed(texts)
    assert scrubbed(once) == once


def test_nothing_and_nobody_is_nothing():
    assert scrubbed([None, "", "***"]) == [None, "", "***"]


def test_a_long_text_takes_time_in_proportion():
    def seconds(times: int) -> float:
        text = "".join(CLINICAL) * times + "患者王" * times + "1" * 50 * times
        start = time.process_time()
        scrubbed([text])
        return time.process_time() - start

    seconds(2)
    assert seconds(80) < 60 * max(seconds(8), 0.005)
